"""Handlers that wait, block and run on threads of their own, side by side."""
import json
import os
import select
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import SLOW, Case, eventually, main, program  # noqa: E402


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

    def test_a_hundred_sleep_side_by_side(self):
        """Each has begun before the first one ends."""
        held = [self.held(self.srv) for _ in range(100)]
        pid = b"%d\n" % self.srv.pid
        self.assertEqual([h.answer().body for h in held], [pid + pid] * 100)
        bodies, took = self.together("/sleep?ms=1000", 100)
        self.assertEqual(bodies, [pid + pid] * 100)
        self.assertLess(took, 60 * SLOW)  # one after another: 100 s

    def test_blocking_calls_do_not_hold_the_loop(self):
        held = [self.held(self.srv, "/block") for _ in range(3)]
        self.assertEqual(self.text(self.srv, "/build"), "1\n")
        self.assertEqual([h.answer().body for h in held], [b"blocked\n"] * 3)

    def test_a_blocking_route_runs_on_a_thread_of_its_own(self):
        held = self.held(self.srv, "/blocking?ms=7", "POST", body=b"a" * 100000)
        self.assertEqual(self.text(self.srv, "/build"), "1\n")
        self.assertEqual(held.answer().body, b"slept 7, body 100000\n")

    def test_many_blocking_requests_are_all_answered(self):
        bodies, _ = self.together("/blocking?ms=50", 60)
        self.assertEqual(bodies, [b"slept 50, body 0\n"] * 60)

    def test_waiting_for_a_descriptor(self):
        self.assertEqual(self.text(self.srv, "/wait-fd"), "readable\n")
        self.assertEqual(self.text(self.srv, "/wait-fd?timeout=50"), "timeout\n")

    def test_the_watchdog_names_the_route_that_holds_its_loop(self):
        since = self.srv.mark()
        hog = self.held(self.srv, "/hog")
        self.srv.wait_log(r"\[WARN\].*/hog", timeout=60, since=since)
        self.assertEqual(hog.answer().body, b"hogged\n")


class Pool(Case):
    def test_a_slow_blocking_route_neither_starves_others_nor_waits_silently(self):
        srv = self.server([program("test/programs/app")], env={
            "MOLT_SERVER_BLOCKINGTHREADS": "4", "MOLT_SERVER_BLOCKINGQUEUE": "2"})
        mark = srv.mark()
        slow, holds = [self.connect(srv, timeout=60 * SLOW) for _ in range(8)], self.directory()
        for i, conn in enumerate(slow):
            conn.send(b"GET /blocking?hold=%s/%d HTTP/1.1\r\nHost: a\r\n\r\n"
                      % (holds.encode(), i))
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

        def pool():
            now = json.loads(self.fetch(srv, "/debug/admin/status").body)["blocking"]
            return now["limit"], now["busy"], now["waiting"], now["refused"]
        # A thread that was just started has not taken its call yet.
        self.assertTrue(eventually(lambda: pool() == (4, 3, 2, 3)), pool())
        self.assertEqual(self.text(srv, "/block?ms=1"), "blocked\n")
        waiting = [conn for conn in slow if conn not in refused]
        time.sleep(1.1)  # so long a wait is told
        answered = set()
        while len(answered) < len(waiting):  # those that get a thread now are held as well
            for name in os.listdir(holds):
                os.unlink(os.path.join(holds, name))
            answered |= {c for c in waiting if select.select([c.sock], [], [], 0.01)[0]}
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
