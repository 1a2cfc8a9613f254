"""Idle connections move to the successor, each of them, while 64 busy ones go on.
test/long has 15,000 of them, alone on the machine, and the time: under one second."""
import os
import resource
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import SHORT, main  # noqa: E402
from loadcase import Fast, LoadCase  # noqa: E402

IDLE = int(os.environ.get("MOLT_IDLE", "300" if SHORT else "3000"))
BUSY, RESTARTS = 64, 4


class Idle(LoadCase):
    def setUp(self):
        super().setUp()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertGreater(limits[1], IDLE + 1000, "the hard limit of descriptors is too low")
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)

    def test_they_move_and_the_busy_ones_go_on(self):
        # All are opened before the first one asks.
        srv = self.app(env={"MOLT_SERVER_MAXCONNECTIONS": str(2 * IDLE),
                            "MOLT_SERVER_HEADERTIMEOUT": "600s"})
        pids = [srv.pid]
        with Fast(srv.port, "idle", IDLE) as idle, Fast(srv.port, "reused", BUSY) as busy:
            for _ in range(RESTARTS):
                pids.append(self.restarted(srv))
                receipt = self.newest_receipt(srv)
                took = {p["phase"]: p["ms"] for p in receipt["phases"]}["HANDOVER"]
                print("%d connections moved in %.0f ms" % (receipt["moved"], took), flush=True)
                self.assertGreaterEqual(receipt["moved"], IDLE)
                self.promised(took, 1000)
                busy.wait_count(busy.count + (1000 if SHORT else 10000))
            reports = [busy.finish(), idle.finish()]
        for r in reports:
            print("%s: %d requests, %d failed, longest %.0f ms" % (
                r["mode"], r["ok"], r["failed"], r["longest_ms"]), flush=True)
            self.assertEqual(r["failed"] + r["reconnects"] + r["idle_closes"], 0, r)
        self.promised(reports[0]["longest_ms"], 1000)
        # Each of the idle ones lives, in the last generation.
        self.assertEqual(reports[1]["ok"], 2 * IDLE)
        self.assertEqual(reports[1]["pids"].get(str(pids[-1])), IDLE)


if __name__ == "__main__":
    main()
