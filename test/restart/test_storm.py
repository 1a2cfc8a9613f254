"""Restarts that come together: signals in pairs, a restart during a restart,
twenty callers at once, a hundred requests in ten seconds, a hundred restarts in a
row (test/long: a thousand)."""
import collections
import json
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import load  # noqa: E402
import procs  # noqa: E402
from case import SHORT, SLOW, eventually, main  # noqa: E402
from release import RestartCase  # noqa: E402
from supervised import SupervisedCase  # noqa: E402

MANY = int(os.environ.get("MOLT_RESTARTS", "20" if SHORT else "100"))
CAP = 3  # generations alive at a time


class Together(RestartCase):
    def one_left(self, srv):
        """Exactly one generation lives, and it answers everything."""
        self.assertTrue(eventually(lambda: len(srv.pids()) == 1, 8), srv.pids())
        pid = srv.pids()[0]
        for _ in range(30):
            self.assertEqual(self.serving_pid(srv), pid)
        self.assertEqual(self.status(srv)["state"], "serving")
        return pid

    def test_double_and_triple_signals_leave_one_generation(self):
        srv = self.app()
        for n, gap in ((2, 0), (2, 0.02), (2, 0.1), (2, 0.4), (3, 0), (3, 0.05), (3, 0.3)):
            pid = self.one_left(srv)
            for _ in range(n):
                if procs.alive(pid):
                    os.kill(pid, signal.SIGUSR1)
                time.sleep(gap)
            self.assertTrue(eventually(lambda: srv.pid != pid, 5), "no restart came of %d" % n)
            self.assertNotEqual(self.one_left(srv), pid)

    def test_both_signals_at_once_are_one_restart_or_two_never_none(self):
        srv = self.app()
        pid = srv.pid
        os.kill(pid, signal.SIGUSR1)
        os.kill(pid, signal.SIGUSR2)
        self.assertTrue(eventually(lambda: len(srv.generations()) >= 2, 5))
        self.one_left(srv)
        self.assertLessEqual(len(srv.generations()), 3)

    def test_a_signal_while_the_old_one_still_drains(self):
        srv = self.app()
        first = srv.pid
        running = self.held(srv)
        second = self.restarted(srv)
        third = self.restarted(srv)  # three generations live now
        self.assertEqual(len({first, second, third}), 3)
        os.kill(first, signal.SIGUSR2)  # to one that drains: no new generation
        time.sleep(0.5)  # for a wrong one, to start it
        self.assertEqual(running.answer().body, b"%d\n%d\n" % (first, first))
        running.conn.close()
        self.assertEqual(self.one_left(srv), third)
        self.assertEqual(len(srv.generations()), 3)

    def test_sigterm_to_the_new_one_while_the_old_one_drains(self):
        srv = self.app()
        first = srv.pid
        running = self.held(srv)
        second = self.restarted(srv)
        os.kill(second, signal.SIGTERM)
        self.assertTrue(procs.wait_gone(second, 20 * SLOW))
        self.assertEqual(running.answer().body, b"%d\n%d\n" % (first, first))
        running.conn.close()
        self.assertTrue(srv.wait_empty(20))

    def call(self, srv, results, exe=None):
        results.append(self.restart_api(srv, exe, timeout=60 * SLOW))

    def test_twenty_callers_share_one_restart(self):
        srv = self.app()
        results = []
        callers = [threading.Thread(target=self.call, args=(srv, results)) for _ in range(20)]
        for c in callers:
            c.start()
        for c in callers:
            c.join()
        self.assertEqual([r.status for r in results if r.status not in (200, 409)], [])
        good = [r for r in results if r.status == 200]
        self.assertTrue(good)
        for r in results:
            if r.status == 409:
                self.assertTrue(r.json["reason"])
        self.one_left(srv)
        self.assertLessEqual(len(srv.generations()), 1 + len(good))

    def test_the_same_target_joins_a_running_restart(self):
        srv = self.app(env={"MOLT_SERVER_READYTIMEOUT": "600s"})
        exe = self.put_bad("never_ready")
        results = []
        callers = [threading.Thread(target=self.call, args=(srv, results, exe)) for _ in range(5)]
        callers[0].start()
        self.assertTrue(eventually(lambda: self.status(srv)["state"] == "restarting", 30))
        for c in callers[1:]:
            c.start()
        # All are there while it runs, and hear of its end: they did not queue.
        self.assertTrue(eventually(lambda: srv.log().count(" asked by 127.0.0.1") == 5, 30))
        # One that is asked behind theirs has its answer: theirs have been heard.
        self.assertEqual(self.text(srv, "/restart?exe=" + self.path("app")).split()[0], "-16")
        self.assertEqual(results, [])
        os.kill([p for p in srv.pids() if p != srv.pid][0], signal.SIGKILL)
        for c in callers:
            c.join()
        self.assertEqual([r.status for r in results], [502] * 5)
        self.assertEqual(len({r.json["receipt"]["id"] for r in results}), 1)
        self.one_left(srv)

    def test_another_target_is_refused_with_the_state(self):
        srv = self.app(env={"MOLT_SERVER_READYTIMEOUT": "600s"})
        exe, other = self.put_bad("hang"), self.put("2", "other")
        results = []
        caller = threading.Thread(target=self.call, args=(srv, results, exe))
        caller.start()
        self.assertTrue(eventually(lambda: self.status(srv)["state"] == "restarting", 30))
        self.assertTrue(eventually(lambda: len(srv.pids()) == 2, 30))
        for target in (other, None):
            answer = self.restart_api(srv, target)
            self.assertEqual(answer.status, 409, answer)
            self.assertIn("already", answer.json["reason"])
        self.assertEqual(self.text(srv, "/restart?exe=" + other).split()[0], "-16")
        os.kill([p for p in srv.pids() if p != srv.pid][0], signal.SIGKILL)
        caller.join()
        self.assertEqual(results[0].status, 502)
        self.restarted(srv, other)
        self.assertEqual(self.build(srv), "2")

    def test_a_storm_under_load(self):
        srv = self.app()
        with load.Running(srv.port, "reused", 16, mix="get,post") as run:
            least = time.monotonic() + (2 if SHORT else 5)
            end = least + 60 * SLOW
            while time.monotonic() < least or (
                    len(srv.generations()) < 5 and time.monotonic() < end):
                for pid in srv.pids():
                    try:
                        os.kill(pid, random.choice((signal.SIGUSR1, signal.SIGUSR2)))
                    except ProcessLookupError:
                        pass
                time.sleep(0.02)
            report = run.finish()
        self.assertEqual(report["failed"], 0, report)
        self.assertGreaterEqual(len(srv.generations()), 5)
        self.assertGreater(len(report["pids"]), 1)
        self.one_left(srv)


class Storm(SupervisedCase):
    """100 requests for a restart in 10 seconds: signal, API and command at once, and
    again when that restart may be under way or not."""

    def setUp(self):
        super().setUp()
        self.put("1")
        # The leak checker is a process of its own at each end, and would be counted.
        self.srv = self.server(self.path("app"), env={
            "MOLT_SERVER_CONTROLSOCKET": self.control, "ASAN_OPTIONS": "detect_leaks=0"})
        self.answers = []  # (who asked, exit code or status, object)
        self.most = 0      # generations alive at the same time
        self.over = threading.Event()

    def watch(self):
        while not self.over.wait(0.01):
            self.most = max(self.most, len(self.srv.pids()))

    def by_signal(self):
        try:
            os.kill(self.srv.pid, random.choice((signal.SIGUSR1, signal.SIGUSR2)))
        except ProcessLookupError:
            pass  # it has just ended; so has its restart

    def by_api(self):
        answer = self.restart_api(self.srv)
        self.answers.append(("api", answer.status == 200, answer.json))

    def by_command(self):
        done = self.molt("restart", "--json", code=None)
        self.answers.append(("command", done.returncode == 0, json.loads(done.stdout)))

    def ask(self, n, seconds):
        askers, begun = [], time.monotonic()
        for i in range(n):
            way = (self.by_signal, self.by_api, self.by_command)[i % 3]
            askers.append(threading.Thread(target=way))
            askers[-1].start()
            if i % 3 == 2:
                at = (i + 1 - random.random()) * seconds / n
                time.sleep(max(0, begun + at - time.monotonic()))
        for a in askers:
            a.join()

    def consistent(self, receipts):
        """What the history says is one chain of generations, and what each caller was
        told is in it."""
        known = {r["id"]: r for r in receipts}
        chain = ["%s %d -> %d" % (r["id"], r["pid"], r["successor_pid"]) for r in receipts]
        self.assertEqual({r["outcome"] for r in receipts}, {"switched"}, receipts)
        for newer, older in zip(receipts, receipts[1:]):
            self.assertEqual(newer["pid"], older["successor_pid"], chain)
            self.assertEqual(newer["generation"], older["generation"] + 1)
        oldest = receipts[-1]["generation"]
        counts = collections.Counter()
        for who, good, told in self.answers:
            counts[who, good] += 1
            if not good:
                self.assertEqual(told["error"], "EBUSY", told)
                self.assertTrue(told["reason"])
                continue
            r = told["receipt"]
            self.assertEqual(r["outcome"], "switched")
            if r["generation"] >= oldest:
                self.assertEqual(known[r["id"]]["successor_pid"], r["successor_pid"])
        return dict(counts)

    def test_a_hundred_requests_of_every_kind_in_ten_seconds(self):
        n, seconds = (20, 4) if SHORT else (100, 10)
        watcher = threading.Thread(target=self.watch)
        watcher.start()
        with load.Running(self.srv.port, "reused", 16, mix="get,post") as kept, \
                load.Running(self.srv.port, "new", 4, mix="get,post") as fresh:
            self.ask(n, seconds)
            reports = [kept.finish(), fresh.finish()]
        self.over.set()
        watcher.join()
        self.assertTrue(eventually(lambda: len(self.srv.pids()) == 1, 8), self.srv.pids())
        receipts = self.status(self.srv)["receipts"]
        counts = self.consistent(receipts)
        print("%d requests, %d restarts, %d generations at a time; %d requests under load, "
              "answers %r" % (n, len(self.srv.generations()) - 1, self.most,
                              sum(r["ok"] for r in reports), counts), flush=True)
        for r in reports:
            self.assertEqual(r["failed"] + r["idle_closes"], 0, r)
        self.assertEqual(reports[0]["reconnects"], 0, reports[0])
        self.assertLessEqual(self.most, CAP)
        self.assertEqual(receipts[0]["generation"], len(self.srv.generations()) - 1)
        self.assertEqual(self.srv.pids(), [self.serving_pid(self.srv)])


class Many(RestartCase):
    def test_many_restarts_leave_nothing_behind(self):
        os.mkdir(self.path("tmp"))
        srv = self.app(env={"TMPDIR": self.path("tmp")})
        files = sorted(os.listdir(self.dir))
        sizes, times = [], []
        with load.Running(srv.port, "pausing", 4, mix="get,post") as run:
            for i in range(MANY):
                start = time.monotonic()
                pid = self.restarted(srv)
                times.append(time.monotonic() - start)
                for old in srv.generations():
                    if old != pid:
                        self.assertTrue(procs.wait_gone(old, 5 * SLOW))
                self.assertEqual(srv.pids(), [pid])
                self.assertEqual(procs.zombies_of(pid), [])
                self.assertEqual(self.status(srv)["generation"], i + 2)
                sizes.append((len(procs.descriptors(pid)), procs.status_field(pid, "Threads"),
                              procs.status_field(pid, "VmRSS")))
            report = run.finish()
        times.sort()
        print("restarts: median %.0f ms, longest %.0f ms; descriptors, threads, KiB: %r -> %r" % (
            times[len(times) // 2] * 1000, times[-1] * 1000, sizes[min(40, MANY // 2)], sizes[-1]),
            flush=True)
        self.assertEqual(report["failed"], 0, report)
        start = 40 if MANY >= 100 else 1  # the history of 32 receipts is full by then
        few, many = sizes[start:start + 5], sizes[-5:]
        for what, slack in ((0, 5), (1, 0)):  # descriptors: connections come and go
            self.assertLessEqual(min(s[what] for s in many), max(s[what] for s in few) + slack)
        rss_few, rss_many = (sorted(s[2] for s in part)[2] for part in (few, many))
        self.assertLess(rss_many, rss_few * 1.1 + 256, "memory grows from generation to generation")
        self.assertLessEqual(len(self.status(srv)["receipts"]), 32)
        self.assertEqual(sorted(os.listdir(self.dir)), files)
        self.assertEqual(os.listdir(self.path("tmp")), [])

    def test_the_environment_and_arguments_do_not_grow(self):
        srv = self.app("--flag", "a b")
        for _ in range(5):
            self.restarted(srv)
        self.assertEqual(self.text(srv, "/argv").splitlines(), [self.path("app"), "--flag", "a b"])
        names = [line.split("=")[0] for line in self.text(srv, "/environ").splitlines()]
        self.assertEqual(len(names), len(set(names)))


if __name__ == "__main__":
    main()
