"""This build and the one of an earlier release (test/neighbour) restart into each other, both
ways and back again, under load: no request fails, no connection is closed."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
import load  # noqa: E402
import neighbour  # noqa: E402
import procs  # noqa: E402
import release  # noqa: E402
import ws  # noqa: E402
from case import SLOW, eventually, main  # noqa: E402
from loadcase import LoadCase  # noqa: E402

HERE = release.BUILDS["1"]


class Neighbours(LoadCase):
    """Build 1 is ours, build 2 the neighbour's: restarts alternate."""
    builds = {}
    sent = 0

    @classmethod
    def setUpClass(cls):
        cls.builds = {"1": HERE, "2": neighbour.app()}

    def put(self, build, name="app"):
        return release.install(release.program(self.builds[build]), self.path(name))

    def test_no_request_fails_over_http(self):
        self.through_restarts("reused", mix="get,post,chunked,split,slow", restarts=6)

    def test_no_request_fails_over_https(self):
        crt, key = certs.make(self.dir)
        self.through_restarts("reused", mix="get,post", tls=True, restarts=6,
                              env={"MOLT_SERVER_HTTPSCERTPATH": crt, "MOLT_SERVER_HTTPSKEYPATH": key})

    def test_a_websocket_and_a_request_in_steps_live_on(self):
        srv = self.app()
        line = ws.WebSocket(("127.0.0.1", srv.port), "/ws/count", timeout=10 * SLOW)
        self.addCleanup(line.close_socket)
        pids = [srv.pid]
        for i in range(4):
            step = self.held(srv, "/step/pids?hops=1")
            self.put("21"[i % 2])
            pids.append(self.restarted(srv))
            self.assertEqual([int(p) for p in step.answer().body.split()], pids[-2:])
            line.send("ping")
            self.assertIsNotNone(line.recv(), "the WebSocket is closed")
        for pid in pids[:-1]:
            self.assertTrue(procs.wait_gone(pid, 20 * SLOW), "generation %d stays" % pid)

    def fetch(self, *args, **kw):
        """Counts what it sends."""
        self.sent += 1
        return super().fetch(*args, **kw)

    def test_each_goes_on_with_what_the_other_has_counted(self):
        srv = self.app(env={"MOLT_SERVER_BAKETIME": "0s"})

        def all_counted():
            return self.status(srv)["servers"][0]["total_requests"] == self.sent
        for i in range(4):
            for _ in range(3):
                self.fetch(srv, "/pid")
            self.put("21"[i % 2])
            self.restarted(srv)
            self.assertTrue(eventually(all_counted, 10), self.sent)

    def test_each_takes_the_service_back_from_the_other(self):
        for first, second in ("12", "21"):
            self.put(first)
            srv = self.server(self.path("app"), env={"MOLT_SERVER_BAKETIME": "60s"})
            old = srv.pid
            with load.Running(srv.port, "reused", 8, False, "get,post,split", timeout=10 * SLOW) as run:
                for _ in range(3):
                    self.put(second)
                    new = self.restarted(srv)
                    answer = self.admin(srv, "rollback")
                    self.assertEqual(answer.status, 200, answer)
                    self.assertTrue(procs.wait_gone(new, 10 * SLOW), srv.log())
                    self.assertEqual(self.serving_pid(srv), old)
                report = run.finish()
            self.assertEqual((report["failed"], report["reconnects"]), (0, 0),
                             json.dumps(report, indent=1) + srv.log()[-3000:])
            self.assertEqual(srv.pids(), [old])
            srv.stop()


if __name__ == "__main__":
    main()
