"""What the service manager is told (src/gen/join/notify.c), by a peer of its socket."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import notify  # noqa: E402
import procs  # noqa: E402
from case import SLOW, main, program  # noqa: E402
from release import RestartCase  # noqa: E402


class Notify(RestartCase):
    def peer(self, path=None):
        peer = notify.Peer(path or self.path("notify"))
        self.addCleanup(peer.close)
        return peer

    def start(self, peer, **env):
        return self.app(env=dict(env, NOTIFY_SOCKET=peer.path))

    def test_ready_when_it_serves(self):
        peer = self.peer()
        srv = self.start(peer)
        at, ready = peer.wait(READY="1")
        self.assertEqual((at, ready.pid), (0, srv.pid))
        self.assertEqual(ready["STATUS"], "Generation 1 serves")
        self.assertNotIn("MAINPID", ready)

    def test_a_socket_in_the_abstract_namespace(self):
        peer = self.peer("@molt-test-%d" % os.getpid())
        srv = self.start(peer)
        self.assertEqual(peer.wait(READY="1")[1].pid, srv.pid)

    def test_not_ready_before_it_serves(self):
        peer = self.peer()
        self.put("1")
        srv = self.spawned(self.path("app"), env={"NOTIFY_SOCKET": peer.path},
                           address="203.0.113.1:80")  # not an address of this machine
        self.assertNotEqual(srv.exit_code(), 0)
        self.assertEqual(peer.read(), [])

    def test_a_restart_reloads_names_the_new_main_process_and_is_ready(self):
        peer = self.peer()
        srv = self.start(peer)
        old = srv.pid
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        new = srv.restart(signal.SIGUSR1)
        at, reloading = peer.wait(pid=old, RELOADING="1")
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.assertTrue(before <= int(reloading["MONOTONIC_USEC"]) <= after, reloading)
        at, _ = peer.wait(at, pid=old, MAINPID=str(new))
        at, ready = peer.wait(at, pid=new, READY="1")
        self.assertEqual(ready["STATUS"], "Generation 2 serves")
        self.assertTrue(procs.wait_gone(old, 5 * SLOW))
        peer.read()
        self.assertFalse([m for m in peer.seen if "STOPPING" in m], "the service does not stop")
        self.assertEqual(len([m for m in peer.seen if "READY" in m]), 2, peer.seen)

    def test_many_restarts_hand_on_the_main_process_each_time(self):
        peer = self.peer()
        srv = self.start(peer)
        old = srv.pid
        at, _ = peer.wait(READY="1")
        for _ in range(5):
            new = srv.restart()
            at, _ = peer.wait(at, pid=old, MAINPID=str(new))
            at, _ = peer.wait(at, pid=new, READY="1")
            old = new

    def test_what_is_told_drives_no_terminal_and_forges_no_variable(self):
        """`systemctl status` prints the status as it is."""
        peer = self.peer()
        odd = "\x1b[31mred\u202e\nMAINPID=1"
        os.mkdir(self.path(odd))
        srv = self.server([self.put("1", odd + "/app")], env={"NOTIFY_SOCKET": peer.path})
        os.unlink(self.path(odd + "/app"))
        os.kill(srv.pid, signal.SIGUSR1)
        at, _ = peer.wait(pid=srv.pid, RELOADING="1")
        _, ready = peer.wait(at, pid=srv.pid, READY="1")
        self.assertIn("?[31mred??? MAINPID=1", ready["STATUS"])
        self.assertNotIn("MAINPID", ready)

    def test_a_failed_restart_is_ready_again_and_says_why(self):
        peer = self.peer()
        srv = self.start(peer)
        bad = self.put_bad("exit_later")
        answer = self.restart_api(srv, bad)
        self.assertNotEqual(answer.status, 200)
        at, _ = peer.wait(pid=srv.pid, RELOADING="1")
        _, ready = peer.wait(at, pid=srv.pid, READY="1")
        self.assertIn("Generation 1 serves on; the restart failed: ", ready["STATUS"])
        self.assertFalse([m for m in peer.seen if "MAINPID" in m], peer.seen)

    def test_stopping_at_shutdown(self):
        peer = self.peer()
        srv = self.start(peer)
        pid = srv.pid
        os.kill(pid, signal.SIGTERM)
        peer.wait(pid=pid, STOPPING="1")
        self.assertEqual(srv.exit_code(), 0)

    def test_an_orphan_that_serves_names_itself(self):
        """The predecessor dies while the successor starts: it serves all the same."""
        peer = self.peer()
        srv = self.app(env={"NOTIFY_SOCKET": peer.path})
        old = srv.pid
        slow = self.write("slow", "#!/bin/sh\nsleep 0.7\nexec %s\n" % self.path("app"), 0o755)
        conn = self.connect(srv)
        conn.send(b"POST /debug/admin/restart?newExeFilePath=%s HTTP/1.1\r\nHost: localhost\r\n"
                  b"Content-Length: 0\r\n\r\n" % slow.encode())
        peer.wait(pid=old, RELOADING="1")
        time.sleep(0.3)
        os.kill(old, signal.SIGKILL)
        _, ready = peer.wait(READY="1", MAINPID=None)
        self.assertEqual(ready["MAINPID"], str(ready.pid))
        self.assertEqual(self.serving_pid(srv.port), ready.pid)

    def test_a_service_that_was_taken_back_names_its_main_process_again(self):
        peer = self.peer()
        srv = self.app(env={"NOTIFY_SOCKET": peer.path, "MOLT_SERVER_BAKETIME": "30s",
                            "WATCHDOG_USEC": "400000"})
        old = srv.pid
        new = self.restarted(srv)
        at, _ = peer.wait(pid=new, READY="1")
        os.kill(new, signal.SIGKILL)
        at, _ = peer.wait(at, pid=old, MAINPID=str(old), READY="1")
        peer.wait(at, pid=old, WATCHDOG="1")

    # -- watchdog

    def test_the_watchdog_is_fed_at_half_its_time_and_by_the_main_process_only(self):
        peer = self.peer()
        srv = self.start(peer, WATCHDOG_USEC="400000")
        old = srv.pid
        at, _ = peer.wait(READY="1")
        first, _ = peer.wait(at, pid=old, WATCHDOG="1")
        times = []
        for _ in range(4):
            first, _ = peer.wait(first + 1, pid=old, WATCHDOG="1")
            times.append(time.monotonic())
        self.promised(times[-1] - times[0], 1.2)
        new = srv.restart()
        at, _ = peer.wait(pid=new, READY="1")
        at, _ = peer.wait(at, pid=new, WATCHDOG="1")
        peer.wait(at + 1, pid=new, WATCHDOG="1")
        peer.wait(at + 2, pid=new, WATCHDOG="1")
        switched, _ = peer.wait(pid=old, MAINPID=str(new))
        self.assertFalse([m for m in peer.seen[switched:] if m.pid == old and "WATCHDOG" in m])

    def test_the_watchdog_is_fed_at_once_by_who_becomes_the_main_process(self):
        peer = self.peer()
        srv = self.start(peer, WATCHDOG_USEC="600000000")  # half of it is five minutes
        peer.wait(pid=srv.pid, WATCHDOG="1")
        peer.wait(pid=srv.restart(), WATCHDOG="1")

    def test_a_watchdog_of_another_process_is_left_alone(self):
        peer = self.peer()
        srv = self.start(peer, WATCHDOG_USEC="100000", WATCHDOG_PID="1")
        peer.wait(READY="1")
        time.sleep(0.3)
        srv.restart()
        time.sleep(0.3)
        self.assertFalse([m for m in peer.read() if "WATCHDOG" in m])

    def test_our_watchdog_goes_on_in_the_successor(self):
        peer = self.peer()
        self.put("1")
        srv = self.server(["/bin/sh", "-c", "WATCHDOG_PID=$$ exec " + self.path("app")],
                          env={"NOTIFY_SOCKET": peer.path, "WATCHDOG_USEC": "300000"})
        peer.wait(pid=srv.pid, WATCHDOG="1")
        new = srv.restart()
        at, _ = peer.wait(pid=new, WATCHDOG="1")
        peer.wait(at + 1, pid=new, WATCHDOG="1")

    # -- what is not there

    def test_children_do_not_see_the_variables(self):
        peer = self.peer()
        srv = self.start(peer, WATCHDOG_USEC="9000000")
        for _ in range(2):
            seen = self.text(srv, "/child-env") + self.text(srv, "/environ")
            for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
                self.assertNotIn(name, seen)
            srv.restart()

    def test_a_manager_that_is_not_there_does_no_harm(self):
        for path in (self.path("nobody"), "relative", "@", "/" + "x" * 200, "vsock:2:1"):
            srv = self.server(program("test/programs/app"),
                              env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "100000"})
            srv.restart()
            self.assertEqual(self.serving_pid(srv), srv.pid)


if __name__ == "__main__":
    main()
