"""A million requests through 36 restarts: none fails, no connection is opened anew."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
from case import SLOW, main  # noqa: E402
from loadcase import Fast, LoadCase  # noqa: E402

REQUESTS, RESTARTS = 1000000, 36


class Million(LoadCase):
    def through(self, mode, clients):
        self.put("1")
        srv = self.server(self.path("app"))
        pids = [srv.pid]
        with Fast(srv.port, mode, clients, pause_ms=20) as run:
            for i in range(RESTARTS):
                run.wait_count((i + 1) * REQUESTS // (RESTARTS + 1))
                self.put("12"[i % 2])
                pids.append(srv.restart())
            run.wait_count(REQUESTS)
            report = run.finish()
        print("%s: %d clients, %d restarts, %d requests, %d failed, %d reconnects, %d stalls, "
              "longest %.0f ms" % (mode, clients, len(set(pids)) - 1, report["ok"],
                                   report["failed"], report["reconnects"], report["stalls"],
                                   report["longest_ms"]), flush=True)
        self.assertEqual(report["failed"], 0, report)
        self.assertEqual(report["reconnects"] + report["idle_closes"], 0, report)
        self.assertGreaterEqual(report["ok"], REQUESTS)
        self.assertEqual(len(set(pids)), RESTARTS + 1)
        self.assertEqual(set(report["pids"]), {str(p) for p in pids})
        for pid in pids[:-1]:
            self.assertTrue(procs.wait_gone(pid, 5 * SLOW), "generation %d stays" % pid)

    def test_64_busy_connections(self):
        self.through("reused", 64)

    def test_256_pausing_clients(self):
        self.through("pausing", 256)


if __name__ == "__main__":
    main()
