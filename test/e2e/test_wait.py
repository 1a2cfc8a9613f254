"""Handlers that wait, block and run on threads of their own, side by side."""
import json
import os
import select
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import SLOW, Case, main, program  # noqa: E402


class Waiting(Case):
    @classmethod
    def setUpClass(cls):
        # One loop: whoever held it would hold everybody.
        cls.srv = cls.shared_server(program("test/programs/app"), env={"MOLT_SERVER_LOOPS": "1"})

    def together(self, path, n):
        """n requests at once; their bodies, and the time of all."""
        bodies, start = [], time.monotonic()

        def one():
            bodies.append(self.fetch(self.srv, path).body)

        threads = [threading.Thread(target=one) for _ in range(n)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return bodies, time.monotonic() - start

    def test_a_hundred_sleeps_take_as_long_as_one(self):
        bodies, took = self.together("/sleep?ms=1000", 100)
        pid = b"%d\n" % self.srv.pid
        self.assertEqual(bodies, [pid + pid] * 100)
        self.assertLess(took, 2.5 * SLOW)

    def test_blocking_calls_do_not_hold_the_loop(self):
        helper = threading.Thread(target=self.together, args=("/block?ms=1500", 3))
        helper.start()
        time.sleep(0.2)
        start = time.monotonic()
        self.assertEqual(self.text(self.srv, "/build"), "1\n")
        self.assertLess(time.monotonic() - start, 0.7 * SLOW)
        helper.join()

    def test_a_blocking_route_runs_on_a_thread_of_its_own(self):
        results = []
        helper = threading.Thread(target=lambda: results.append(
            self.fetch(self.srv, "/blocking?ms=1000", "POST", body=b"a" * 100000)))
        helper.start()
        time.sleep(0.2)
        start = time.monotonic()
        self.assertEqual(self.text(self.srv, "/build"), "1\n")
        self.assertLess(time.monotonic() - start, 0.6 * SLOW)
        helper.join()
        self.assertEqual(results[0].body, b"slept 1000, body 100000\n")

    def test_many_blocking_requests_are_all_answered(self):
        bodies, took = self.together("/blocking?ms=50", 60)
        self.assertEqual(bodies, [b"slept 50, body 0\n"] * 60)
        self.assertLess(took, 8 * SLOW)

    def test_waiting_for_a_descriptor(self):
        self.assertEqual(self.text(self.srv, "/wait-fd"), "readable\n")
        self.assertEqual(self.text(self.srv, "/wait-fd?timeout=50"), "timeout\n")

    def test_the_watchdog_names_the_route_that_holds_its_loop(self):
        since = self.srv.mark()
        self.assertEqual(self.text(self.srv, "/hog?ms=2500"), "hogged\n")
        line = self.srv.wait_log(r"\[WARN\].*/hog", timeout=5, since=since).group(0)
        self.assertIn("/hog", line)


class Pool(Case):
    def test_a_slow_blocking_route_neither_starves_others_nor_waits_silently(self):
        srv = self.server([program("test/programs/app")], env={
            "MOLT_SERVER_BLOCKINGTHREADS": "4", "MOLT_SERVER_BLOCKINGQUEUE": "2"})
        mark = srv.mark()
        slow = [self.connect(srv) for _ in range(8)]
        for conn in slow:
            conn.send(b"GET /blocking?ms=3000 HTTP/1.1\r\nHost: a\r\n\r\n")
        # Three have threads, two wait, the rest is refused at once.
        refused = []
        while len(refused) < 3:
            rest = [c.sock for c in slow if c not in refused]
            ready = select.select(rest, [], [], 10 * SLOW)[0]
            self.assertTrue(ready)
            refused += [c for c in slow if c.sock in ready]
        for conn in refused:
            answer = conn.answer()
            self.assertEqual(answer.status, 503)
            self.assertGreaterEqual(int(answer.get("retry-after")), 1)
        now = json.loads(self.fetch(srv, "/debug/admin/status").body)["blocking"]
        self.assertEqual((now["limit"], now["busy"], now["waiting"], now["refused"]), (4, 3, 2, 3))
        self.assertEqual(self.text(srv, "/block?ms=1"), "blocked\n")
        waiting = [conn for conn in slow if conn not in refused]
        for conn in waiting:
            self.assertEqual(conn.answer().status, 200)
        srv.wait_log(r"\[WARN\] a blocking call of /blocking waited [0-9]+ ms", since=mark)


class Loops(Case):
    def test_every_loop_serves(self):
        srv = self.server(program("test/programs/app"), env={"MOLT_SERVER_LOOPS": "4"})
        for i in range(100):
            self.assertEqual(self.text(srv, "/id?id=%d" % i).split()[0], str(i))


if __name__ == "__main__":
    main()
