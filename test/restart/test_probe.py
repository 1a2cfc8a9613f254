"""PROBE: a new program that does not answer the configured requests as configured
never takes over; the receipt shows what it answered."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
import load  # noqa: E402
from case import SLOW, eventually, main  # noqa: E402
from release import RestartCase, free_ports  # noqa: E402


class Probe(RestartCase):
    def probed(self, health="200", probe="GET /health 200", **env):
        """A server whose successors are asked; env: keys of the configuration."""
        self.health(health)
        more = {"MOLT_SERVER_" + key.upper(): value for key, value in env.items()}
        return self.app(env=dict({"APP_HEALTH": self.path("health"),
                                  "MOLT_SERVER_PROBE": probe}, **more))

    def health(self, word):
        self.write("health.new", word)
        os.rename(self.path("health.new"), self.path("health"))

    def refused(self, srv, error, status, reason):
        """The restart fails in PROBE; returns the receipt."""
        old = srv.pid
        answer = self.restart_api(srv)
        self.assertEqual((answer.status, answer.json["error"]), (status, error), answer)
        receipt = answer.json["receipt"]
        self.assertEqual((receipt["outcome"], receipt["phase"]), ("failed", "PROBE"), receipt)
        self.assertRegex(receipt["reason"], reason)
        self.assertEqual(self.serving_pid(srv), old)
        self.assertTrue(eventually(lambda: srv.pids() == [old], 3), srv.pids())
        self.assertEqual(self.status(srv)["receipts"][0]["probes"], receipt["probes"])
        return receipt

    def phases(self, receipt):
        return {p["phase"]: p["ms"] for p in receipt["phases"]}

    def test_a_good_answer_lets_it_take_over(self):
        srv = self.probed(probe="GET /health 200, HEAD /pid 200, GET /nothing 404")
        self.restarted(srv)
        receipt = self.newest_receipt(srv)
        self.assertEqual([(p["server"], p["probe"], p["status"]) for p in receipt["probes"]],
                         [("default", "GET /health 200", 200), ("default", "HEAD /pid 200", 200),
                          ("default", "GET /nothing 404", 404)])
        self.assertGreater(self.phases(receipt)["PROBE"], 0)

    def test_without_probes_there_is_no_such_phase(self):
        srv = self.app()
        self.restarted(srv)
        self.assertNotIn("PROBE", self.phases(self.newest_receipt(srv)))

    def test_a_wrong_status(self):
        srv = self.probed("503")
        receipt = self.refused(srv, "EREMOTEIO", 502,
                               "GET /health of server default was answered with 503 instead of 200")
        probe, = receipt["probes"]
        self.assertEqual(probe["status"], 503)
        self.assertTrue(probe["answer"].startswith("HTTP/1.1 503"), probe)
        self.assertIn("health of build 1: 503", probe["answer"])
        self.health("200")
        self.restarted(srv)

    def test_the_first_failure_ends_it(self):
        srv = self.probed("500", probe="GET /pid 200,GET /health 200,GET /argv 200")
        receipt = self.refused(srv, "EREMOTEIO", 502, "500 instead of 200")
        self.assertEqual([p["status"] for p in receipt["probes"]], [200, 500])

    def test_no_answer_in_time(self):
        srv = self.probed("hang", probetimeout="300ms")
        receipt = self.refused(srv, "ETIMEDOUT", 504,
                               r"no whole answer within 300 ms \(probeTimeout\)")
        self.assertIsNone(receipt["probes"][0]["status"])
        self.health("200")
        self.restarted(srv)

    def test_a_crash_by_the_probe(self):
        srv = self.probed("crash")
        receipt = self.refused(srv, "ECHILD", 502, r"signal 11 .*while it was asked for GET /health")
        self.assertEqual(receipt["signal"], int(signal.SIGSEGV))
        self.health("200")
        self.restarted(srv)

    def test_a_shutdown_does_not_wait_for_a_probe(self):
        srv = self.probed("hang", probetimeout="600s")
        os.kill(srv.pid, signal.SIGUSR2)
        self.assertTrue(eventually(
            lambda: (self.status(srv)["restart"] or {}).get("phase") == "PROBE", 30))
        os.kill(srv.pid, signal.SIGTERM)
        self.assertTrue(srv.wait_empty(60))

    def test_https_is_probed_too_and_is_secure(self):
        crt, key = certs.make(self.dir)
        srv = self.probed("secure", httpscertpath=crt, httpskeypath=key)
        self.assertEqual(srv.scheme, "https")
        os.kill(srv.pid, signal.SIGUSR2)
        srv.wait_log("generation 2 .* serves")

    def test_each_server_has_its_own_and_one_that_is_gone_is_skipped(self):
        one, two = free_ports(2)
        names = "server:\n  graceful: true\n  address: '127.0.0.1:%d'\n  probe: GET /pid 200\n" % one
        late = "  late:\n    address: '127.0.0.1:%d'\n    probe: ['GET /pid 201']\n" % two
        path = self.write("molt.yaml", names + late)
        self.health("200")
        srv = self.app(path, address=None, env={"APP_LATE": "1", "APP_HEALTH": self.path("health")})
        self.text(srv, "/late")
        answer = self.restart_api(srv)
        # The new program starts "late" only when it is asked to.
        self.assertEqual(answer.status, 200, answer)
        probes = answer.json["receipt"]["probes"]
        self.assertEqual([(p["server"], p.get("status"), p.get("skipped")) for p in probes],
                         [("default", 200, None), ("late", None, True)])
        srv.wait_log("the new program has no server late: it is not probed")

    def test_probes_are_not_counted_and_disturb_nobody(self):
        srv = self.probed()
        with load.Running(srv.port, "reused", 8, False, "get", timeout=10 * SLOW) as run:
            for word, status in (("200", 200), ("503", 502), ("200", 200), ("crash", 502)):
                self.health(word)
                self.assertEqual(self.restart_api(srv).status, status)
            report = run.finish()
        self.assertEqual((report["failed"], report["reconnects"]), (0, 0), report)
        fresh = self.probed()
        self.restarted(fresh)
        server = self.status(fresh)["servers"][0]
        self.assertEqual(server["answers"]["5xx"], 0)
        self.assertLessEqual(server["total_connections"], 3)


if __name__ == "__main__":
    main()
