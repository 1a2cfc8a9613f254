"""Idle connections move to the successor in under one second, while 64 busy ones go
on.  test/long has 15,000 of them."""
import os
import resource
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import SHORT, SLOW, main  # noqa: E402
from loadcase import Fast, LoadCase  # noqa: E402

IDLE = int(os.environ.get("MOLT_IDLE", "300" if SHORT else "3000"))
BUSY, RESTARTS = 64, 4
LIMIT_MS = 1000


class Idle(LoadCase):
    def setUp(self):
        super().setUp()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertGreater(limits[1], IDLE + 1000, "the hard limit of descriptors is too low")
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)

    def test_they_move_within_a_second(self):
        srv = self.app(env={"MOLT_SERVER_MAXCONNECTIONS": str(2 * IDLE)})
        pids = [srv.pid]
        with Fast(srv.port, "idle", IDLE) as idle, Fast(srv.port, "reused", BUSY) as busy:
            for _ in range(RESTARTS):
                pids.append(self.restarted(srv))
                receipt = self.newest_receipt(srv)
                took = {p["phase"]: p["ms"] for p in receipt["phases"]}["HANDOVER"]
                print("%d connections moved in %.0f ms" % (receipt["moved"], took), flush=True)
                self.assertGreaterEqual(receipt["moved"], IDLE)
                self.assertLess(took, LIMIT_MS * SLOW)
                busy.wait_count(busy.count + (1000 if SHORT else 10000))
            reports = [busy.finish(), idle.finish()]
        for r in reports:
            print("%s: %d requests, %d failed, longest %.0f ms" % (
                r["mode"], r["ok"], r["failed"], r["longest_ms"]), flush=True)
            self.assertEqual(r["failed"] + r["reconnects"] + r["idle_closes"], 0, r)
        self.assertLess(reports[0]["longest_ms"], LIMIT_MS * SLOW)
        # Each of the idle ones lives, in the last generation.
        self.assertEqual(reports[1]["ok"], 2 * IDLE)
        self.assertEqual(reports[1]["pids"].get(str(pids[-1])), IDLE)


if __name__ == "__main__":
    main()
