"""A new version that dies after the switch: the old one serves again."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import load  # noqa: E402
import procs  # noqa: E402
from case import SLOW, main  # noqa: E402
from release import RestartCase, free_ports  # noqa: E402

BAKE = {"MOLT_SERVER_BAKETIME": "30s"}


class Bake(RestartCase):
    def pid_now(self, srv):
        return int(self.text(srv, "/pid"))

    def test_a_successor_that_crashes_in_the_bake_is_replaced_by_its_predecessor(self):
        srv = self.app(env=BAKE)
        first = srv.pid
        second = self.restarted(srv)
        self.assertEqual(self.pid_now(srv), second)
        os.kill(second, signal.SIGKILL)
        begun = time.monotonic()
        self.assertEqual(self.pid_now(srv), first)  # it waits in the queue, at most
        self.assertLess(time.monotonic() - begun, 0.5 * SLOW)
        srv.wait_log("serves again")
        receipt = self.status(srv)["receipts"][0]
        self.assertEqual(receipt["outcome"], "taken back")
        self.assertEqual(receipt["signal"], 9)

    def test_the_next_restart_works(self):
        srv = self.app(env=BAKE)
        first = srv.pid
        for _ in range(3):
            os.kill(self.restarted(srv), signal.SIGKILL)
            self.assertEqual(self.pid_now(srv), first)
        third = self.restarted(srv)
        self.assertEqual(self.pid_now(srv), third)

    def test_connections_that_moved_away_may_come_anew(self):
        srv = self.app(env=BAKE)
        first = srv.pid
        conn = self.connect(srv)
        conn.request("GET", "/pid")
        second = self.restarted(srv)
        self.assertEqual(int(conn.request("GET", "/pid").body), second)
        os.kill(second, signal.SIGKILL)
        self.assertEqual(self.pid_now(srv), first)
        self.assertTrue(conn.closed())

    def test_nobody_is_refused_meanwhile(self):
        srv = self.app(env=BAKE)
        with load.Running(srv.port, "new", 4, False, "get", timeout=10 * SLOW) as run:
            for _ in range(3):
                second = self.restarted(srv)
                time.sleep(0.3)
                os.kill(second, signal.SIGKILL)
                srv.wait_log("pid %d" % second)
                time.sleep(0.3)
            report = run.finish()
        self.assertEqual(report["by_kind"].get("connect", 0), 0, report)
        # Only what was inside the killed process is lost.
        self.assertLessEqual(report["failed"], 3 * 4, report)
        self.assertGreater(report["ok"], 50)

    def test_a_running_request_keeps_the_way_back_open_without_a_bake_time(self):
        srv = self.app()
        first = srv.pid
        running = self.connect(srv)
        running.send(b"GET /sleep?ms=1500 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.2)
        os.kill(self.restarted(srv), signal.SIGKILL)
        self.assertEqual(self.pid_now(srv), first)
        self.assertEqual(running.answer().body, b"%d\n%d\n" % (first, first))

    def test_the_predecessor_goes_when_the_bake_is_over(self):
        srv = self.app(env={"MOLT_SERVER_BAKETIME": "1s"})
        first = srv.pid
        self.restarted(srv)
        time.sleep(0.5)
        self.assertTrue(procs.alive(first))
        self.assertTrue(procs.wait_gone(first, 2 * SLOW))

    def test_a_shutdown_in_the_bake_ends_both(self):
        srv = self.app(env=BAKE)
        os.kill(self.restarted(srv), signal.SIGTERM)
        self.assertTrue(srv.wait_empty(4))

    def test_a_restart_in_the_bake_ends_the_one_before(self):
        srv = self.app(env=BAKE)
        first = srv.pid
        second = self.restarted(srv)
        third = self.restarted(srv)
        self.assertTrue(procs.wait_gone(first, 3 * SLOW))
        os.kill(third, signal.SIGKILL)
        self.assertEqual(self.pid_now(srv), second)

    def test_a_listener_that_the_new_one_dropped_is_closed_at_the_switch(self):
        kept, dropped = free_ports(2)
        path = self.write("molt.yaml", "server:\n  address: '127.0.0.1:%d,127.0.0.1:%d'\n"
                          "  graceful: true\n  bakeTime: 30s\n" % (kept, dropped))
        srv = self.app(path, env={"MOLT_SERVER_ADDRESS": None}, listeners=2)
        first = srv.pid
        self.write("molt.yaml", "server:\n  address: '127.0.0.1:%d'\n"
                   "  graceful: true\n  bakeTime: 30s\n" % kept)
        second = srv.restart(listeners=1)
        # The new one says that it listens a moment before the old one closes this.
        srv.wait_log("generation 1 drains")
        with self.assertRaises(ConnectionRefusedError):
            self.connect(dropped)
        os.kill(second, signal.SIGKILL)
        srv.wait_log("serves again")
        conn = self.connect(kept)
        self.assertEqual(int(conn.request("GET", "/pid").body), first)


if __name__ == "__main__":
    main()
