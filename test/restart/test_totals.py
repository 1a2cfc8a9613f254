"""Counters go on from generation to generation: nothing is forgotten and nothing is
counted twice, whatever was under way at a restart."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import load  # noqa: E402
from case import SLOW, eventually, main  # noqa: E402
from release import RestartCase  # noqa: E402


class Totals(RestartCase):
    def setUp(self):
        super().setUp()
        self.sent = self.opened = 0

    def app(self, *argv, env=None, **kw):
        """Without a bake, or the old generation would be waited for."""
        return super().app(*argv, env=dict({"MOLT_SERVER_BAKETIME": "0s"}, **(env or {})), **kw)

    def connect(self, *args, **kw):
        self.opened += 1
        return super().connect(*args, **kw)

    def fetch(self, *args, **kw):
        """Counts what it sends."""
        self.sent += 1
        return super().fetch(*args, **kw)

    def settled(self, srv):
        """The server's part of the status, when the serving process is alone."""
        self.assertTrue(eventually(lambda: self.status(srv)["older_generations"] == [], 10))
        return self.status(srv)["servers"][0]

    def check(self, srv, **classes):
        """classes: answers of those classes; the rest was 2xx.  The request that asks
        has begun, but has no answer yet."""
        server = self.settled(srv)
        self.assertEqual(server["total_requests"], self.sent)
        self.assertEqual(server["total_connections"], self.opened)
        for name in ("3xx", "4xx", "5xx"):
            self.assertEqual(server["answers"][name], classes.get(name, 0), server)
        self.assertEqual(server["answers"]["2xx"], self.sent - 1 - sum(classes.values()))

    def test_before_during_and_after_three_restarts(self):
        srv = self.app()
        for path in ("/pid", "/nothing", "/pid", "/status?status=503"):
            self.fetch(srv, path)
        with load.Running(srv.port, "reused", 8, False, "get", timeout=10 * SLOW) as run:
            for _ in range(3):
                self.restarted(srv)
                time.sleep(0.2)
            report = run.finish()
        self.assertEqual((report["failed"], report["reconnects"]), (0, 0), report)
        self.sent += report["ok"]
        self.opened += 8
        for path in ("/pid", "/nothing"):
            self.fetch(srv, path)
        self.check(srv, **{"4xx": 2, "5xx": 1})

    def test_a_request_that_outlives_two_restarts(self):
        srv = self.app()
        held = self.held(srv, "/stream?n=2&ms=1")
        self.sent += 1
        self.restarted(srv)
        self.restarted(srv)
        self.assertEqual([e["generation"] for e in self.status(srv)["older_generations"]][:1], [1])
        self.assertEqual(held.answer().status, 200)
        self.check(srv)

    def test_what_runs_in_a_draining_generation_is_seen_as_long_as_it_lives(self):
        srv = self.app()
        held = self.held(srv, "/stream?n=2&ms=1")
        self.restarted(srv)

        def older():
            """Running requests of all generations but this one."""
            server = self.status(srv)["servers"][0]
            return server["all_generations"]["requests"] - server["requests"]
        self.assertTrue(eventually(lambda: older() == 1, 10))
        self.assertEqual(held.answer().status, 200)
        self.assertTrue(eventually(lambda: older() == 0, 10))

    def test_what_a_draining_generation_answers_is_told_before_it_ends(self):
        srv = self.app(env={"MOLT_SERVER_HANDOVER": "false"})
        first, held, idle = srv.pid, self.connect(srv), self.connect(srv)
        held.send(b"GET /stream?n=50&ms=100 HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(held.head().status, 200)
        idle.request("GET", "/pid")
        self.sent += 2
        self.restarted(srv)
        self.sent += 1
        self.assertEqual(int(idle.request("GET", "/pid").body), first)

        def told():
            status = self.status(srv)
            total = status["servers"][0]["total_requests"]
            return total == self.sent and status["older_generations"] != []
        self.assertTrue(eventually(told, 3))
        held.close()
        self.check(srv)

    def test_failed_restarts_count_nothing(self):
        srv = self.app()
        before = 0
        for way in ("crash", "exit_zero"):
            self.assertGreaterEqual(self.restart_api(srv, self.put_bad(way)).status, 400)
            before += 1
        self.restarted(srv)
        self.check(srv, **{"5xx": before})

    def test_a_service_taken_back_has_the_counts_of_its_successor(self):
        srv = self.app(env={"MOLT_SERVER_BAKETIME": "30s"})
        for _ in range(3):
            second = self.restarted(srv)
            for _ in range(10):
                self.fetch(srv, "/pid")
            time.sleep(2.5)  # it tells each second
            os.kill(second, signal.SIGKILL)
            srv.wait_log("pid %d" % second)
            self.assertEqual(self.serving_pid(srv), srv.proc.pid)
        self.check(srv)

    def test_a_successor_killed_at_once_loses_its_own_counts_alone(self):
        srv = self.app(env={"MOLT_SERVER_BAKETIME": "30s"})
        for _ in range(20):
            self.fetch(srv, "/pid")
        second = self.restarted(srv)
        known = self.sent
        for _ in range(20):
            self.fetch(srv, "/pid")
        os.kill(second, signal.SIGKILL)
        srv.wait_log("serves again")
        after = self.sent
        total = self.settled(srv)["total_requests"]
        lost = self.sent - total
        # The pid that restarted() asked for may be among them.
        self.assertTrue(0 <= lost <= after - known + 1, (lost, self.sent, total))
        self.restarted(srv)
        os.kill(srv.proc.pid, signal.SIGTERM)  # or it would stand by
        total = self.settled(srv)["total_requests"]
        self.assertEqual(self.sent - total, lost)

    def test_one_in_the_middle_that_is_killed_takes_no_counts_along(self):
        srv = self.app()
        held, answers = [], []
        for _ in range(2):
            for _ in range(5):
                self.fetch(srv, "/pid")
            held.append(self.connect(srv))
            held[-1].send(b"GET /stream?n=2&ms=%d HTTP/1.1\r\nHost: a\r\n\r\n" % 3000)
            self.sent += 1
            answers.append(held[-1].head())
            self.restarted(srv)
        middle = self.status(srv)["older_generations"][1]["pid"]

        def told():
            """Its answer to the restart, too: all but two streams and this request."""
            return self.status(srv)["servers"][0]["answers"]["2xx"] == self.sent - 3
        self.assertTrue(eventually(told, 3))
        os.kill(middle, signal.SIGKILL)
        self.assertIsNotNone(held[1].rest())
        self.assertEqual(held[0].body(answers[0]).count(b"\n"), 2)
        held[0].close()  # whose successor is dead, waits for one more request
        server = self.settled(srv)
        self.assertEqual(server["total_requests"], self.sent)
        # The first one's stream was answered, the second one's never was.
        self.assertEqual(server["answers"]["2xx"], self.sent - 2)

    def test_each_of_several_servers_goes_on_by_its_name(self):
        srv = self.app(env={"APP_LATE": "1"})
        port = int(self.text(srv, "/late"))
        for _ in range(5):
            super().fetch(port, "/pid")
        self.assertEqual(self.text(srv, "/stop-late"), "0\n")
        self.restarted(srv)
        self.restarted(srv)
        self.assertEqual(self.settled(srv)["total_requests"], self.sent)
        self.text(srv, "/late")
        late = [s for s in self.status(srv)["servers"] if s["name"] == "late"][0]
        self.assertEqual(late["total_requests"], 5)


if __name__ == "__main__":
    main()
