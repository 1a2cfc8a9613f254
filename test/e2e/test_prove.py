"""molt prove against servers that are not ours: it must see what they do."""
import json
import os
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
from case import SLOW, Case, eventually, main, program  # noqa: E402
from server import base_env  # noqa: E402

RELOADER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "reloader.py")
MOLT = "src/cli/molt"


class ProveCase(Case):
    def prove(self, *argv, code=0, env=None):
        """Runs it; the finished process."""
        done = subprocess.run([program(MOLT), "prove", *argv], timeout=90 * SLOW, text=True,
                              env=base_env(**(env or {})), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done


class OtherServers(ProveCase):
    def reloader(self, mode):
        """Its pid and URL."""
        proc = subprocess.Popen([sys.executable, RELOADER, mode], stdout=subprocess.PIPE, text=True)
        self.addCleanup(proc.stdout.close)
        self.addCleanup(proc.wait)
        self.addCleanup(proc.kill)
        return proc.pid, "http://127.0.0.1:%d/" % int(proc.stdout.readline())

    def seen(self, mode, code, *more):
        pid, url = self.reloader(mode)
        done = self.prove("--url", url, "--reload-cmd", "kill -HUP %d" % pid, "--seconds", "1",
                          "--restarts", "2", "--connections", "8", "--json", *more, code=code)
        seen = json.loads(done.stdout)
        self.assertEqual(seen["restarts"]["done"], 2)
        return seen

    def kinds(self, seen):
        """{kind: failures} of the phase with restarts."""
        sums = {}
        for row in seen["phases"][1]["rows"]:
            for kind, n in row["by_kind"].items():
                sums[kind] = sums.get(kind, 0) + n
        return sums

    def test_a_clean_reload_passes(self):
        seen = self.seen("clean", 0)
        self.assertEqual((seen["verdict"], seen["why"]), ("pass", []))
        totals = seen["totals"]
        self.assertEqual((totals["failed"], totals["reopened"]), (0, 0))
        self.assertGreater(totals["requests"], 300)
        self.assertEqual([p["name"] for p in seen["phases"]], ["steady", "restarts"])
        names = [r["name"] for r in seen["phases"][1]["rows"]]
        self.assertEqual(names, ["reused, busy", "reused, pausing", "new"])
        skipped = {s["what"]: s["why"] for s in seen["skipped"]}
        self.assertIn("405", skipped["uploads"])
        self.assertEqual(set(skipped), {"uploads", "WebSockets", "bad versions", "rollback",
                                        "kill -9"})

    def test_connections_that_are_closed_between_requests_are_no_failures(self):
        seen = self.seen("announced", 0)
        self.assertEqual(seen["totals"]["failed"], 0)
        # 8 busy and 32 pausing connections, twice.
        self.assertGreaterEqual(seen["totals"]["reopened"], 60)
        self.assertEqual(seen["phases"][0]["rows"][0]["reopened"], 0)

    def test_strict_wants_no_connection_closed(self):
        seen = self.seen("announced", 1, "--strict")
        self.assertIn("had to be opened again", seen["why"][0])

    def test_requests_that_are_cut_fail_it(self):
        seen = self.seen("cut", 1)
        self.assertEqual(seen["verdict"], "fail")
        kinds = self.kinds(seen)
        self.assertGreaterEqual(kinds.get("reused_reset", 0) + kinds.get("eof_before_answer", 0), 8)
        self.assertRegex(seen["why"][0], r"restarts: \d+ of \d+ requests failed")
        self.assertTrue(any("reused" in e for e in seen["phases"][1]["examples"]), seen)

    def test_answers_that_break_off_fail_it(self):
        self.assertGreaterEqual(self.kinds(self.seen("truncated", 1)).get("partial", 0), 60)

    def test_another_status_fails_it(self):
        self.assertGreaterEqual(self.kinds(self.seen("sick", 1)).get("bad_status", 0), 40)

    def test_answers_that_never_come_fail_it(self):
        self.assertGreaterEqual(self.kinds(self.seen("deaf", 1)).get("timeout", 0), 40)

    def test_headers_are_sent_with_every_request(self):
        totals = self.seen("login", 0, "--header", "X-Login: yes", "--header", "Accept: */*")["totals"]
        self.assertEqual(totals["failed"], 0)
        pid, url = self.reloader("login")
        self.prove("--url", url, "--reload-cmd", "kill -HUP %d" % pid, "--header", "X-Login: no",
                   code=1)

    def test_a_reload_command_that_fails(self):
        _, url = self.reloader("clean")
        done = self.prove("--url", url, "--reload-cmd", "exit 3", "--seconds", "1", "--restarts",
                          "2", "--connections", "2", code=1)
        self.assertIn("the reload command ended with status 3", done.stdout)
        self.assertIn("restarts       0 of 2 done", done.stdout)

    def test_the_table_says_the_same(self):
        pid, url = self.reloader("cut")
        out = self.prove("--url", url, "--reload-cmd", "kill -HUP %d" % pid, "--seconds", "2",
                         "--restarts", "2", "--connections", "4", "--settle", "50", code=1).stdout
        self.assertRegex(out, r"(?m)^phase +connections +clients +requests +failed +reopened")
        self.assertRegex(out, r"(?m)^restarts +reused, busy +4 +\d+ +[1-9]\d* ")
        self.assertRegex(out, r"(?m)^FAIL: \d+ requests, [1-9]\d* failed, ")
        self.assertRegex(out, r"(?m)^skipped +kill -9: only of a program that is started here$")


class Refusals(ProveCase):
    def test_wrong_usage(self):
        app = program("examples/demo")
        for argv in ([], ["--url", "http://127.0.0.1:1/"], ["--reload-cmd", "true"],
                     ["--restarts", "0", app], ["--restarts", "x", app], ["--seconds", "-1", app],
                     ["--path", "nowhere", app], ["--url", "http://a/", "--reload-cmd", "true", app],
                     ["--control", "/x", app], ["--settle", "5", app], ["--bogus", app],
                     ["--connections", "999999", app]):
            done = self.prove(*argv, code=2)
            self.assertTrue(done.stderr, argv)
            self.assertEqual(done.stdout, "", argv)

    def test_a_program_that_is_not_there_or_does_not_start(self):
        self.assertIn("no such program", self.prove("/nonexistent/app", code=1).stderr)
        self.assertIn("ended before it served", self.prove("false", code=1).stderr)
        broken = os.path.join(self.directory(), "c.yaml")
        with open(broken, "w") as f:
            f.write("server:\n  bogus: 1\n")
        done = self.prove(program("examples/demo"), broken, code=1)
        self.assertIn("there is no such key", done.stderr)

    def test_a_server_that_is_not_there(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            url = "http://127.0.0.1:%d/" % s.getsockname()[1]
            self.assertIn("no answer", self.prove("--url", url, "--reload-cmd", "true", code=1).stderr)
        self.prove("--url", "ftp://x/", "--reload-cmd", "true", code=1)
        self.assertIn("nobody serves", self.prove("--control", "/nonexistent", code=1).stderr)

    def test_other_machines_are_not_loaded_unasked(self):
        done = self.prove("--url", "http://192.0.2.1/", "--reload-cmd", "true", code=1)
        self.assertIn("--remote", done.stderr)

    def test_a_path_that_does_not_work(self):
        done = self.prove("--path", "/absent", program("examples/demo"), code=1)
        self.assertIn("status 404", done.stderr)


class Interrupted(ProveCase):
    def interrupted(self, sig, after):
        procs.become_subreaper()
        where = self.directory()
        proc = subprocess.Popen([program(MOLT), "prove", "--connections", "4",
                                 program("examples/demo")], env=base_env(TMPDIR=where),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertTrue(eventually(lambda: after(where)))
        group = [p for p in self.children(proc.pid)]
        self.assertTrue(group)
        proc.send_signal(sig)
        out, err = proc.communicate(timeout=10 * SLOW)
        self.assertEqual((proc.returncode, out), (128 + sig, ""))
        self.assertEqual([p for p in group if procs.alive(p)], [])
        self.assertEqual(os.listdir(where), [])

    def children(self, pid):
        return [int(p) for p in os.listdir("/proc")
                if p.isdigit() and (procs._stat(int(p)) or (0, 0, 0))[1] == pid]

    def test_control_c_leaves_nobody_behind(self):
        self.interrupted(signal.SIGINT, self.serves)

    def test_in_the_middle_of_the_restarts_too(self):
        def later(where):
            return self.serves(where) and (time.sleep(2.5) or True)
        self.interrupted(signal.SIGTERM, later)

    def serves(self, where):
        return any(os.path.exists(os.path.join(where, d, "control1")) for d in os.listdir(where))


if __name__ == "__main__":
    main()
