"""Sockets that a service manager passes at start (src/gen/os/activate.c)."""
import os
import sys

LIB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")
sys.path.insert(0, LIB)
import load  # noqa: E402
import procs  # noqa: E402
from case import main  # noqa: E402
from release import RestartCase, free_ports  # noqa: E402


class Activation(RestartCase):
    def argv(self, sockets, *more):
        self.put("1")
        return [sys.executable, os.path.join(LIB, "activate.py"), sockets, self.path("app"), *more]

    def start(self, sockets, address, env=None, **kw):
        return self.server(self.argv(sockets), env=env, address=address, **kw)

    def refused(self, sockets, address, env=None):
        srv = self.spawned(self.argv(sockets), env=env, address=address)
        self.assertNotEqual(srv.exit_code(), 0)
        return srv.log()

    def test_a_passed_socket_is_served(self):
        port, = free_ports(1)
        srv = self.start("web=127.0.0.1:%d" % port, "systemd:web")
        self.assertEqual(srv.listening()[0].address, "127.0.0.1:%d" % port)
        self.assertEqual(self.text(port, "/build"), "1\n")

    def test_it_goes_on_to_successors_and_requests_are_not_lost(self):
        port, = free_ports(1)
        srv = self.start("web=127.0.0.1:%d" % port, "systemd:web")
        with load.Running(port, "new", 4, mix="get") as run:
            for _ in range(3):
                self.restarted(srv)
            report = run.finish()
        self.assertEqual(report["failed"], 0, report)

    def test_several_sockets_by_name_and_one_that_is_not_used(self):
        a, b, c = free_ports(3)
        self.write("c.yaml", "server:\n  address: 'systemd:two'\n  x:\n    address: ':0'\n")
        srv = self.server(
            self.argv("one=127.0.0.1:%d,two=127.0.0.1:%d,two=127.0.0.1:%d" % (a, b, c),
                      self.path("c.yaml")), address=None)
        self.assertEqual(self.text(b, "/build"), "1\n")
        # The next generation wants the others too.
        self.write("c.yaml", "server:\n  address: 'systemd:two,systemd:one,systemd:two'\n")
        srv.restart(listeners=3)
        for port in (a, b, c):
            self.assertEqual(self.text(port, "/build"), "1\n")
        self.write("c.yaml", "server:\n  address: 'systemd:one'\n")
        srv.restart(listeners=1)
        self.assertEqual(self.text(a, "/build"), "1\n")
        self.write("c.yaml", "server:\n  address: 'systemd:two,systemd:two'\n")
        srv.restart(listeners=2)
        for port in (b, c):
            self.assertEqual(self.text(port, "/build"), "1\n")

    def test_a_passed_unix_sockets_path_is_not_removed(self):
        path = self.path("web.sock")
        srv = self.start("web=" + path, "systemd:web")
        self.assertEqual(self.fetch(path, "/build").body, b"1\n")
        srv.restart()
        self.assertEqual(self.fetch(path, "/build").body, b"1\n")
        srv.stop()
        self.assertTrue(os.path.exists(path))

    def test_an_address_may_take_the_place_of_a_passed_socket(self):
        port, = free_ports(1)
        self.write("c.yaml", "server:\n  address: 'systemd:web'\n")
        srv = self.server(self.argv("web=127.0.0.1:%d" % port, self.path("c.yaml")), address=None)
        self.write("c.yaml", "server:\n  address: '127.0.0.1:%d'\n" % port)
        srv.restart()
        self.assertEqual(self.text(port, "/build"), "1\n")

    def test_children_and_successors_do_not_see_the_variables(self):
        port, = free_ports(1)
        srv = self.start("web=127.0.0.1:%d" % port, "systemd:web")
        for _ in range(2):
            self.assertNotIn("LISTEN_", self.text(port, "/child-env") + self.text(port, "/environ"))
            self.assertNotIn("socket:", self.text(port, "/child-fds"))
            srv.restart()
        self.assertFalse([k for k in procs.environment(srv.pid) if k.startswith("LISTEN_")])

    def test_a_missing_name_is_told(self):
        port, = free_ports(1)
        log = self.refused("web=127.0.0.1:%d" % port, "systemd:other")
        self.assertIn("no unused socket called other was passed", log)
        self.assertIn("FileDescriptorName=other", log)

    def test_sockets_of_another_process_are_not_touched(self):
        port, = free_ports(1)
        log = self.refused("web=127.0.0.1:%d" % port, "systemd:web", env={"LISTEN_PID": "1"})
        self.assertIn("no unused socket called web was passed", log)

    def test_a_socket_that_does_not_listen_is_refused(self):
        for kind in ("dgram", "mute"):
            log = self.refused("web=" + kind, "systemd:web")
            self.assertIn("must be a stream socket that listens", log)

    def test_names_that_are_missing_or_too_few(self):
        port, = free_ports(1)
        srv = self.start("web=127.0.0.1:%d" % port, "systemd:unknown", env={"LISTEN_FDNAMES": ""})
        self.assertEqual(self.text(port, "/build"), "1\n")
        srv.stop()

    def test_a_name_that_cannot_be_is_refused(self):
        for address in ("systemd:", "systemd:a b", "systemd:" + "x" * 200):
            srv = self.spawned(self.put("1"), address=address)
            self.assertNotEqual(srv.exit_code(), 0)
            self.assertIn("no address", srv.log())


if __name__ == "__main__":
    main()
