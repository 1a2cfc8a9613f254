"""Listeners that a new configuration adds, removes and keeps at a restart."""
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
import load  # noqa: E402
import procs  # noqa: E402
from case import SLOW, eventually, main  # noqa: E402
from release import RestartCase, free_ports  # noqa: E402


def whole_answer(s):
    """With a body of one line; what ends is an error."""
    data = b""
    while b"\r\n\r\n" not in data or not data.endswith(b"\n") or data.endswith(b"\r\n\r\n"):
        more = s.recv(4096)
        if not more:
            raise EOFError(data)
        data += more
    return data


class Listeners(RestartCase):
    def listen(self, *addresses, more=""):
        self.write("c.yaml", "server:\n  address: '%s'\n%s" % (",".join(addresses), more))

    def start(self, *addresses, **kw):
        self.listen(*addresses, **kw)
        return self.app(self.path("c.yaml"), address=None, listeners=len(addresses))

    def answers(self, port):
        try:
            return self.fetch(port, "/build").body == b"1\n"
        except ConnectionRefusedError:
            return False

    def test_a_port_is_added(self):
        a, b = free_ports(2)
        srv = self.start("127.0.0.1:%d" % a)
        self.assertFalse(self.answers(b))
        self.listen("127.0.0.1:%d" % a, "127.0.0.1:%d" % b)
        self.restarted(srv)
        self.assertTrue(self.answers(a) and self.answers(b))

    def test_a_port_is_removed_after_the_switch(self):
        a, b = free_ports(2)
        srv = self.start("127.0.0.1:%d" % a, "127.0.0.1:%d" % b)
        self.assertTrue(self.answers(a) and self.answers(b))
        self.listen("127.0.0.1:%d" % a)
        self.restarted(srv)
        self.assertTrue(self.answers(a))
        self.assertTrue(eventually(lambda: not self.answers(b), 3),
                        "the removed port still answers")

    def test_a_running_request_of_a_removed_port_ends(self):
        a, b = free_ports(2)
        srv = self.start("127.0.0.1:%d" % a, "127.0.0.1:%d" % b)
        running = self.held(b)
        old = srv.pid
        self.listen("127.0.0.1:%d" % a)
        self.restarted(srv)
        self.assertEqual(running.answer().body, b"%d\n%d\n" % (old, old))

    def test_a_port_is_changed_and_changed_back(self):
        a, b = free_ports(2)
        srv = self.start("127.0.0.1:%d" % a)
        self.listen("127.0.0.1:%d" % b)
        answer = self.restart_api(srv)
        self.assertEqual(answer.status, 200, answer)
        self.assertTrue(self.answers(b))
        self.assertTrue(eventually(lambda: not self.answers(a), 3))
        self.listen("127.0.0.1:%d" % a)
        answer = self.fetch(b, "/debug/admin/restart", "POST", body=b"")
        self.assertEqual(answer.status, 200, answer)
        self.assertTrue(self.answers(a))

    def test_a_new_port_that_is_taken_refuses_the_restart(self):
        a, b = free_ports(2)
        srv = self.start("127.0.0.1:%d" % a)
        old = srv.pid
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", b))
            taken.listen()
            self.listen("127.0.0.1:%d" % a, "127.0.0.1:%d" % b)
            answer = self.restart_api(srv)
            self.assertEqual(answer.status, 502, answer)
            self.assertIn(b"already in use", answer.body)
            self.assertEqual(self.serving_pid(a), old)
        self.restarted(srv)
        self.assertTrue(self.answers(a) and self.answers(b))

    def test_kept_ports_lose_nothing_while_others_come_and_go(self):
        a, b, c = free_ports(3)
        srv = self.start("127.0.0.1:%d" % a)
        with load.Running(a, "reused", 8, mix="get,post") as run:
            for extra in (b, c, None, b, None):
                ports = [a] + ([extra] if extra else [])
                self.listen(*("127.0.0.1:%d" % p for p in ports))
                srv.restart(listeners=len(ports))
                time.sleep(0.2)
                if extra:
                    self.assertTrue(self.answers(extra))
            report = run.finish()
        self.assertEqual(report["failed"], 0, report)

    def test_port_zero_stays_the_port_that_it_became(self):
        srv = self.start("127.0.0.1:0", "127.0.0.2:0")
        before = [line.address for line in srv.listening()]
        since = srv.mark()
        self.restarted(srv)
        # The lines of the new program come through the old one, in their own time.
        lines = srv.wait_listening(len(before), since=since)
        self.assertEqual([line.address for line in lines], before)

    def test_http_becomes_https_on_the_same_port(self):
        a, = free_ports(1)
        srv = self.start("127.0.0.1:%d" % a)
        crt, key = certs.make(self.dir)
        self.listen("127.0.0.1:%d" % a,
                    more="  httpsCertPath: '%s'\n  httpsKeyPath: '%s'\n" % (crt, key))
        old = srv.pid
        new = srv.restart()
        self.assertEqual(self.fetch(a, "/pid", tls=True).body, b"%d\n" % new)
        self.assertTrue(procs.wait_gone(old, 5 * SLOW))

    def test_a_unix_sockets_path_stays_and_goes_with_the_last(self):
        path = self.path("app.sock")
        srv = self.start("unix:" + path, "127.0.0.1:0")
        inode = os.stat(path).st_ino
        for _ in range(3):
            old = srv.pid
            self.restarted(srv)
            self.assertTrue(procs.wait_gone(old, 20 * SLOW))
            self.assertEqual(os.stat(path).st_ino, inode, "the socket was made anew")
            self.assertEqual(self.fetch(path, "/build").body, b"1\n")
        srv.stop()
        self.assertFalse(os.path.exists(path))

    def test_clients_of_a_unix_socket_move_whatever_their_own_sockets_are_named(self):
        """The name of a client's socket is bytes that the client likes."""
        path = self.path("app.sock")
        srv = self.start("unix:" + path, "127.0.0.1:0")
        clients = []
        for name in (b"plain", b"caf\xe9", b"\x1b[31m\n", None):
            s = socket.socket(socket.AF_UNIX)
            self.addCleanup(s.close)
            s.settimeout(10 * SLOW)
            if name:
                s.bind(os.fsencode(self.dir) + b"/" + name)
            s.connect(path)
            clients.append(s)

        def pids():
            for s in clients:
                s.sendall(b"GET /pid HTTP/1.1\r\nHost: a\r\n\r\n")
            return [int(whole_answer(s).rsplit(b"\r\n\r\n", 1)[1]) for s in clients]
        self.assertEqual(pids(), [srv.pid] * len(clients))
        new = srv.restart()
        self.assertEqual(pids(), [new] * len(clients))

    def test_many_listeners_are_handed_over(self):
        # More than fit into one message (253 descriptors at most).
        addresses = ["127.0.%d.%d:0" % (i // 250, i % 250 + 1) for i in range(290)]
        srv = self.start(*addresses)
        before = [line.address for line in srv.listening()]
        since = srv.mark()
        self.assertEqual(len(before), 290)
        self.restarted(srv)
        self.assertTrue(eventually(lambda: len(srv.listening(since)) >= len(before)))
        self.assertEqual([line.address for line in srv.listening(since)], before)

    def test_a_certificate_that_is_cut_short_refuses_the_restart_and_the_old_one_stays(self):
        a, = free_ports(1)
        crt, key = certs.make(self.dir)
        srv = self.start("127.0.0.1:%d" % a,
                         more="  httpsCertPath: '%s'\n  httpsKeyPath: '%s'\n" % (crt, key))
        with open(crt, "rb") as f:
            whole = f.read()
        for name, bad in (("server.crt", whole[:len(whole) // 2]), ("server.key", b"rubbish\n")):
            with open(self.path(name), "rb") as f:
                before = f.read()
            self.write(name, bad)
            since = srv.mark()
            os.kill(srv.pid, signal.SIGUSR1)
            srv.wait_log("restart failed.*%s" % name.replace(".", r"\."), since=since)
            self.assertEqual(self.fetch(a, "/pid", tls=True).body, b"%d\n" % srv.pid)
            self.write(name, before, 0o600)
        new = srv.restart()
        self.assertEqual(self.fetch(a, "/pid", tls=True).body, b"%d\n" % new)

    def test_a_bad_new_configuration_refuses_the_restart(self):
        a, = free_ports(1)
        srv = self.start("127.0.0.1:%d" % a)
        old = srv.pid
        self.write("c.yaml", "server:\n  address: '127.0.0.1:%d'\n  keepAlive: perhaps\n" % a)
        answer = self.restart_api(srv)
        self.assertEqual(answer.status, 502, answer)
        self.assertIn(b"c.yaml:3", answer.body)
        self.assertEqual(self.serving_pid(a), old)
        self.listen("127.0.0.1:%d" % a)
        self.restarted(srv)


if __name__ == "__main__":
    main()
