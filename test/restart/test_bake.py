"""A new version that dies after the switch: the old one serves again."""
import os
import re
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import load  # noqa: E402
import procs  # noqa: E402
import rawhttp  # noqa: E402
from case import SLOW, eventually, main  # noqa: E402
from release import RestartCase, free_ports  # noqa: E402

BAKE = {"MOLT_SERVER_BAKETIME": "30s"}


class Client(threading.Thread):
    """Asks one URL again and again over one connection; never retries."""

    def __init__(self, case, srv, path):
        super().__init__(daemon=True)
        self.conn = case.connect(srv, timeout=15 * SLOW)
        self.path = path
        self.ending = False
        self.statuses = []
        self.failure = None
        self.start()

    def run(self):
        try:
            while not self.ending:
                self.statuses.append(self.conn.request("GET", self.path).status)
                time.sleep(0.001)
        except Exception as e:  # told by finish()
            self.failure = e

    def finish(self):
        self.ending = True
        self.join(20 * SLOW)
        return self.failure


class Bake(RestartCase):
    def pid_now(self, srv):
        return int(self.text(srv, "/pid"))

    def test_a_successor_that_crashes_in_the_bake_is_replaced_by_its_predecessor(self):
        srv = self.app(env=BAKE)
        first = srv.pid
        second = self.restarted(srv)
        self.assertEqual(self.pid_now(srv), second)
        os.kill(second, signal.SIGKILL)
        self.assertEqual(self.pid_now(srv), first)  # it waits in the queue, at most
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
        running = self.held(srv)
        os.kill(self.restarted(srv), signal.SIGKILL)
        self.assertEqual(self.pid_now(srv), first)
        self.assertEqual(running.answer().body, b"%d\n%d\n" % (first, first))

    def test_the_predecessor_goes_when_the_bake_is_over(self):
        srv = self.app(env={"MOLT_SERVER_BAKETIME": "1s"})
        first = srv.pid
        self.goes_after(1, srv, first)

    def goes_after(self, seconds, srv, first):
        """It is there for so long after the switch, of which the client hears later."""
        begun = time.monotonic()
        second = self.restarted(srv)
        self.assertTrue(procs.wait_gone(first, (seconds + 60) * SLOW))
        self.assertGreater(time.monotonic() - begun, seconds - 0.1)
        return second

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
        srv = self.app(path, env={"MOLT_SERVER_ADDRESS": None, "MOLT_SERVER_BAKETIME": None},
                       listeners=2)
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


    def test_by_default_the_predecessor_stands_by_for_ten_seconds(self):
        srv = self.app(env={"MOLT_SERVER_BAKETIME": None})
        first = srv.pid
        second = self.goes_after(10, srv, first)
        self.assertEqual(srv.pids(), [second])

    def test_it_stands_by_longer_than_it_may_drain(self):
        srv = self.app(env={"MOLT_SERVER_BAKETIME": "60s",
                            "MOLT_SERVER_GRACEFULTIMEOUT": "500ms"})
        first = srv.pid
        running = self.held(srv).conn
        second = self.restarted(srv)
        self.assertTrue(running.closed(30 * SLOW))  # the drain's deadline cut it
        os.kill(second, signal.SIGKILL)
        self.assertEqual(self.pid_now(srv), first)
        self.restarted(srv)


class BlockedLoop(RestartCase):
    """A handler holds one loop of the old program while its successor dies."""

    def test_the_others_accept_at_once_and_its_idle_connections_go_on_afterwards(self):
        srv = self.app(env=dict(BAKE, MOLT_SERVER_LOOPS="2"))
        first = srv.pid
        idle = [self.connect(srv) for _ in range(8)]  # on both loops
        for c in idle:
            self.assertEqual(c.request("GET", "/pid").body, b"%d\n" % first)
        since = srv.mark()
        hog = self.held(srv, "/hog")
        srv.wait_log("blocked for", 30, since=since)
        os.kill(first, signal.SIGUSR2)
        second = srv.wait_listening(1, 10, 0, not_pid=first)[0].pid
        os.kill(second, signal.SIGKILL)  # while it is given connections
        self.assertEqual(int(self.text(srv, "/pid")), first)
        # Though that loop is still held.
        self.assertEqual(hog.answer().status, 200)
        for c in idle:
            try:
                answer = c.request("GET", "/pid")
            except (ConnectionError, rawhttp.Broken):
                continue  # the successor had taken it, and died
            self.assertEqual(answer.body, b"%d\n" % first)


class Budget(RestartCase):
    """What a new program may do wrong before it is taken back."""

    def through(self, path, env=None):
        """Restarts from build 1 to build 2 under load on path; returns the server, the
        first pid, and the clients."""
        srv = self.app(env=dict(BAKE, **(env or {})))
        first = srv.pid
        clients = [Client(self, srv, path) for _ in range(4)]
        self.assertTrue(eventually(
            lambda: all(len(c.statuses) > 100 for c in clients), 10))
        self.put("2")
        answer = self.restart_api(srv)
        self.assertEqual(answer.status, 200, answer)
        return srv, first, clients

    def finish(self, clients):
        for c in clients:
            self.assertIsNone(c.finish())

    def test_a_program_that_spends_its_errors_is_taken_back(self):
        srv, first, clients = self.through("/worse?worse=60")
        srv.wait_log("generation 1 serves again")
        for c in clients:
            n = len(c.statuses)
            self.assertTrue(eventually(lambda: len(c.statuses) > n + 20, 5))
            self.assertEqual(set(c.statuses[-10:]), {200})
        self.finish(clients)  # their connections have gone there and back
        self.assertEqual(self.serving_pid(srv), first)
        self.assertTrue(eventually(lambda: srv.pids() == [first], 5))
        receipt = self.status(srv)["receipts"][0]
        self.assertEqual(receipt["outcome"], "taken back")
        self.assertIn("were errors (5xx)", receipt["reason"])
        back = receipt["rollback"]
        self.assertEqual((back["by"], back["withdrawn"]), ("bake", True))
        self.assertGreaterEqual(back["given_back"], 4)
        print("accepting again %.1f ms after detection, which was %.0f ms after the switch"
              % (back["accepting_ms"], back["after_ms"]), flush=True)
        self.promised(back["accepting_ms"], 50)

    def test_as_many_errors_as_before_are_no_reason(self):
        srv, first, clients = self.through("/worse?own=40&worse=40")
        time.sleep(1.5)
        self.finish(clients)
        self.assertNotEqual(self.serving_pid(srv), first)
        self.assertTrue(procs.alive(first))
        self.assertNotIn("serves again", srv.log())

    def test_few_answers_are_no_reason(self):
        srv = self.app(env=dict(BAKE, MOLT_SERVER_BAKEERRORMIN="1000"))
        self.put("2")
        second = self.restarted(srv)
        for _ in range(60):
            self.assertEqual(self.fetch(srv, "/worse?worse=100").status, 500)
        time.sleep(0.4)
        self.assertEqual(self.serving_pid(srv), second)

    def test_without_a_budget_errors_do_not_matter(self):
        srv, first, clients = self.through("/worse?worse=90",
                                           env={"MOLT_SERVER_BAKEERRORSHARE": "0"})
        time.sleep(1)
        self.finish(clients)
        self.assertNotEqual(self.serving_pid(srv), first)

    def test_errors_that_begin_late_are_seen_among_many_good_answers(self):
        srv, first, clients = self.through("/worse")
        time.sleep(1.5)
        self.finish(clients)
        late = Client(self, srv, "/worse?worse=100")
        srv.wait_log("generation 1 serves again", 5)
        self.assertIsNone(late.finish())
        self.assertEqual(self.serving_pid(srv), first)


class Mute(RestartCase):
    ENV = dict(BAKE, MOLT_SERVER_BAKESILENCE="1s", MOLT_SERVER_LOOPS="1")

    def taken_back(self, srv, first, text):
        srv.wait_log("generation 1 serves again", 8)
        self.assertEqual(self.serving_pid(srv), first)
        receipt = self.status(srv)["receipts"][0]
        self.assertEqual(receipt["outcome"], "taken back")
        self.assertRegex(receipt["reason"], text)
        self.assertEqual(receipt["signal"], 9)
        self.promised(receipt["rollback"]["accepting_ms"], 50)

    def test_a_stopped_process_is_killed_and_taken_back(self):
        srv = self.app(env=self.ENV)
        first = srv.pid
        second = self.restarted(srv)
        procs.pause(second)
        # The connection of who asked for the restart may be on its way to it; then it has
        # longer, and being stopped may be what ends it.
        self.taken_back(srv, first, "it has said nothing for|it did not answer for|"
                                    "it was stopped for")
        self.assertTrue(procs.wait_gone(second, 3 * SLOW))
        self.restarted(srv)

    def test_a_loop_that_is_blocked_is_taken_back(self):
        srv = self.app(env=self.ENV)
        first = srv.pid
        self.restarted(srv)
        self.held(srv, "/hog")
        self.taken_back(srv, first, "has been blocked for")

    def test_a_short_block_is_no_reason(self):
        srv = self.app(env=self.ENV)
        second = self.restarted(srv)
        self.assertEqual(self.fetch(srv, "/hog?ms=400").status, 200)
        time.sleep(0.3)
        self.assertEqual(self.serving_pid(srv), second)

    def test_one_that_is_stopped_while_it_is_given_connections(self):
        srv = self.app(env=self.ENV)
        first = srv.pid
        busy = [Client(self, srv, "/id?id=a") for _ in range(4)]
        self.assertTrue(eventually(lambda: all(len(c.statuses) > 50 for c in busy), 10))
        os.kill(first, signal.SIGUSR2)
        line = srv.wait_listening(1, 10, 0, not_pid=first)[0]
        procs.pause(line.pid)
        self.assertTrue(eventually(
            lambda: re.search("serves again|restart failed", srv.log()), 15), srv.log()[-3000:])
        self.assertEqual(self.serving_pid(srv), first)
        for c in busy:
            c.finish()
        self.restarted(srv)


if __name__ == "__main__":
    main()
