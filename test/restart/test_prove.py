"""molt prove on our own programs: nothing lost, nothing closed, and it says so."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
from case import SHORT, SLOW, main, program  # noqa: E402
from server import base_env  # noqa: E402
from supervised import MOLT, SupervisedCase  # noqa: E402

CLIENTS = "8" if SHORT else "32"


class Prove(SupervisedCase):
    def prove(self, *argv, code=0, **env):
        done = subprocess.run([program(MOLT), "prove", "--connections", CLIENTS,
                               "--seconds", str(int(3 * SLOW)),
                               "--restarts", "6", "--json", *argv], timeout=120 * SLOW, text=True,
                              env=base_env(MOLT_SERVER_READYTIMEOUT="%ds" % (4 * SLOW), **env),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, code, done.stdout[-6000:] + done.stderr)
        return json.loads(done.stdout)

    def rows(self, seen, phase):
        return {r["name"]: r for p in seen["phases"] if p["name"] == phase for r in p["rows"]}

    def test_the_demo_loses_nothing_and_closes_nothing(self):
        seen = self.prove("--strict", program("examples/demo"))
        self.assertEqual((seen["verdict"], seen["why"], seen["skipped"]), ("pass", [], []))
        self.assertEqual((seen["totals"]["failed"], seen["totals"]["reopened"]), (0, 0))
        self.assertEqual(seen["restarts"]["done"], 6)
        self.assertEqual([p["name"] for p in seen["phases"]],
                         ["steady", "restarts", "bad versions", "rollback", "kill -9"])
        rows = self.rows(seen, "restarts")
        self.assertEqual(set(rows), {"reused, busy", "reused, pausing", "new", "uploads",
                                     "WebSockets"})
        for row in rows.values():
            self.assertGreater(row["ok"], row["clients"], row)
        self.assertGreaterEqual(len(seen["bad_versions"]), 14)
        self.assertEqual([b for b in seen["bad_versions"] if not b["good"]], [])
        self.killed_are_counted_apart(seen)

    def killed_are_counted_apart(self, seen):
        for phase, key in (("rollback", "rollback"), ("kill -9", "kill")):
            self.assertEqual(len(seen[key]["times_ms"]), 3)
            self.assertGreater(seen[key]["most_ms"], 0)
            busy = self.rows(seen, phase)["reused, busy"]
            # Each kill breaks every connection once, and no connection twice.
            self.assertEqual(busy["inside"] + busy["cut"], 3 * busy["clients"])

    def test_a_program_that_runs_already_with_https_too(self):
        crt, key = certs.make(self.dir)
        conf = self.write("c.yaml", "server:\n  address: '127.0.0.1:0'\n  httpsAddr: '127.0.0.1:0'\n"
                          "  httpsCertPath: '%s'\n  httpsKeyPath: '%s'\n"
                          "  controlSocket: '%s'\n" % (crt, key, self.control))
        # One of the bad versions crashes on purpose; a sanitizer need not report that.
        quiet = {name: os.environ.get(name, "") + ":handle_segv=0"
                 for name in ("ASAN_OPTIONS", "TSAN_OPTIONS")}
        srv = self.app(conf, address=None, listeners=2, env=quiet)
        seen = self.prove("--strict", "--control", self.control, "--path", "/pid", "--insecure")
        self.assertEqual({s["what"] for s in seen["skipped"]} - {"WebSockets"},
                         {"hangs", "rollback", "kill -9"})
        self.assertEqual(seen["restarts"]["done"], 6)
        rows = self.rows(seen, "restarts")
        for name in ("HTTPS, reused", "HTTPS, new"):
            self.assertGreater(rows[name]["ok"], rows[name]["clients"], rows[name])
            self.assertEqual(rows[name]["failed"], 0)
        self.serving_pid(srv)  # it serves on

    def test_a_program_that_is_not_graceful_fails_it(self):
        seen = self.prove(program("examples/demo"), code=1, MOLT_SERVER_GRACEFUL="false")
        self.assertEqual(seen["verdict"], "fail")
        self.assertTrue(any("a good restart failed" in w for w in seen["why"]), seen["why"])


if __name__ == "__main__":
    main()
