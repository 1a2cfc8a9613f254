"""How many processes may be alive: long requests keep old generations, the oldest
is ended before there would be one too many, and what it cuts is counted."""
import json
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import load  # noqa: E402
import procs  # noqa: E402
from case import SLOW, eventually, main  # noqa: E402
from release import RestartCase  # noqa: E402


class Counting(threading.Thread):
    """The most processes of a server that were alive at once."""

    def __init__(self, srv):
        super().__init__(daemon=True)
        self.srv, self.most, self.over = srv, 0, threading.Event()
        self.start()

    def run(self):
        while not self.over.is_set():
            self.most = max(self.most, len(self.srv.pids()))
            self.over.wait(0.002)

    def finish(self):
        self.over.set()
        self.join()
        return self.most


class Generations(RestartCase):
    def generation_app(self, **env):
        """With a short end, for the requests of these tests run for a minute."""
        more = {"MOLT_SERVER_" + key.upper(): value for key, value in env.items()}
        # The search for leaks at the end of a process starts another one, which would
        # be counted.
        return self.app(env=dict({"MOLT_SERVER_GRACEFULSHUTDOWNTIMEOUT": "200ms",
                                  "MOLT_SERVER_BAKETIME": "0s",
                                  "ASAN_OPTIONS": "detect_leaks=0"}, **more))

    def hold(self, srv):
        """A request that runs for as long as it may."""
        conn = self.connect(srv)
        conn.send(b"GET /stream?n=2&ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(conn.head().status, 200)
        return conn, srv.pid

    def cut(self, conn):
        """Its answer breaks off, without the end of a whole one."""
        rest = conn.rest()
        return rest is not None and not rest.endswith(b"0\r\n\r\n")

    def info(self, srv):
        """/info counts itself as a request."""
        return json.loads(self.text(srv, "/info"))

    def drained(self, srv, generation):
        """The end of the receipt of the restart by that generation."""
        for receipt in self.status(srv)["receipts"]:
            if receipt["generation"] == generation:
                return receipt.get("drained")
        return None

    def test_five_restarts_with_a_long_request_in_each(self):
        srv = self.generation_app()
        held, counting = [], Counting(srv)
        with load.Running(srv.port, "reused", 8, False, "get", timeout=10 * SLOW) as run:
            for _ in range(5):
                held.append(self.hold(srv))
                self.restarted(srv)
            report = run.finish()
        self.assertEqual(counting.finish(), 3)
        self.assertEqual((report["failed"], report["reconnects"]), (0, 0), report)
        # The first three were ended for the younger ones; two still run.
        for number, (conn, pid) in enumerate(held[:3], 1):
            self.assertTrue(self.cut(conn))
            self.assertFalse(procs.alive(pid))
            drained = self.drained(srv, number)
            self.assertEqual((drained["cut"], drained["ended_by"]), (1, "maxGenerations"))
        self.assertEqual([e["pid"] for e in self.status(srv)["older_generations"]],
                         [pid for _, pid in held[3:]])
        ended = [r.get("ended") for r in self.status(srv)["receipts"]]
        self.assertEqual([[e["generation"] for e in one] for one in ended if one],
                         [[3], [2], [1]])

    def test_a_request_that_ends_within_a_second_is_not_cut(self):
        srv = self.generation_app(maxgenerations="2")
        conn = self.connect(srv)
        conn.send(b"GET /sleep?ms=%d HTTP/1.1\r\nHost: a\r\n\r\n" % 700)
        self.assertTrue(eventually(lambda: self.info(srv)["requests"] >= 2))
        first = srv.pid
        self.restarted(srv)
        self.restarted(srv)
        self.assertEqual(conn.answer().body, b"%d\n%d\n" % (first, first))
        self.assertEqual(self.drained(srv, 1)["cut"], 0)

    def nobody_is_ended(self, bake):
        srv = self.generation_app(baketime=bake)
        conns = [self.connect(srv) for _ in range(20)]
        pids = [srv.pid]
        for _ in range(8):
            for conn in conns:
                conn.request("GET", "/pid")
            if len(pids) > 2:
                # By itself, however long its exit takes.
                self.assertTrue(procs.wait_gone(pids[-3], 10 * SLOW))
            pids.append(self.restarted(srv))
        for receipt in self.status(srv)["receipts"]:
            self.assertNotIn("ended", receipt)

    def test_without_long_requests_nobody_is_ended(self):
        self.nobody_is_ended("0s")

    def test_one_that_stands_by_goes_when_the_next_restart_comes(self):
        self.nobody_is_ended("30s")

    def test_the_oldest_is_ended_when_the_one_in_the_middle_has_died(self):
        srv = self.generation_app()
        first, pid1 = self.hold(srv)
        self.restarted(srv)
        second, pid2 = self.hold(srv)
        self.restarted(srv)
        os.kill(pid2, signal.SIGKILL)
        self.assertTrue(eventually(
            lambda: [e["pid"] for e in self.status(srv)["older_generations"]] == [pid1]))
        third, pid3 = self.hold(srv)
        self.restarted(srv)  # 1, 3 and 4
        self.assertTrue(procs.alive(pid1) and procs.alive(pid3))
        counting = Counting(srv)
        self.restarted(srv)
        self.assertEqual(counting.finish(), 3)
        self.assertFalse(procs.alive(pid1))
        self.assertTrue(self.cut(first))
        self.assertTrue(eventually(lambda: self.drained(srv, 1)))
        self.assertEqual(self.drained(srv, 1)["cut"], 1)
        self.assertTrue(procs.alive(pid3))

    def test_a_server_that_was_not_started_has_no_say(self):
        srv = self.app(env={"MOLT_SERVER_GRACEFULSHUTDOWNTIMEOUT": "200ms", "APP_LATE": "1",
                            "ASAN_OPTIONS": "detect_leaks=0",
                            "MOLT_SERVER_MAXGENERATIONS": "5",
                            "MOLT_SERVER_BAKETIME": "0s",
                            "MOLT_SERVER_PREFLIGHTMEMORY": "200"})
        for _ in range(4):
            self.hold(srv)
            self.restarted(srv)
        status = self.status(srv)
        self.assertEqual(len(status["older_generations"]), 4)
        found = self.newest_receipt(srv)["preflight"]
        own = procs.status_field(srv.pid, "RssAnon") * 1024
        self.assertGreater(found["memory_needed"], 1.5 * own)

    def test_one_that_does_not_end_is_killed(self):
        srv = self.generation_app(maxgenerations="2")
        _, pid = self.hold(srv)
        self.restarted(srv)
        procs.pause(pid)
        answer = self.restart_api(srv, timeout=60 * SLOW)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["receipt"]["ended"],
                         [{"generation": 1, "pid": pid, "killed": True}])
        self.assertFalse(procs.alive(pid))

    def test_a_generation_that_serves_again_counts_and_ends_as_before(self):
        srv = self.generation_app(baketime="30s")
        first, pid1 = self.hold(srv)
        self.restarted(srv)
        second, pid2 = self.hold(srv)
        third = self.restarted(srv)
        os.kill(third, signal.SIGKILL)
        srv.wait_log("generation 2 serves again")
        self.assertEqual([e["pid"] for e in self.status(srv)["older_generations"]], [pid1])
        self.restarted(srv)
        counting = Counting(srv)
        self.restarted(srv)
        self.assertEqual(counting.finish(), 3)
        self.assertTrue(self.cut(first))
        self.assertFalse(procs.alive(pid1))


if __name__ == "__main__":
    main()
