"""Every process of a restart fails at every step of it: the grid of doc/faults.md.  Here
a spread of it; test/long has all."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
from case import SHORT, SLOW, eventually, main  # noqa: E402
from faultcase import FaultCase  # noqa: E402

ALL = bool(os.environ.get("MOLT_FAULTS_ALL"))
EVERY = 1 if ALL else 40 if SHORT else 9  # one of so many is run

ENDS = ["kill", "stop"]
SENDING = ["close", "enomem", "short"]

READING = ["close", "enomem"]

# The steps of a restart in their order, and the faults that each knows.  Descriptors
# are lost (got, emfile) only where there are some.
PREDECESSOR = [
    ("step.preflight", ENDS + ["enomem", "emfile"]),
    ("step.spawn", ENDS + ["enomem", "emfile"]),
    ("send.offer", ENDS + SENDING),
    ("send.elders", ENDS + SENDING),
    ("send.listeners", ENDS + SENDING),
    ("send.offered", ENDS + SENDING),
    ("get.ready", ENDS + READING),
    ("step.switch", ENDS + ["close"]),
    ("send.commit", ENDS + SENDING),
    ("sent.commit", ENDS + ["close"]),
    ("get.serving", ENDS + READING),
    ("send.main", ENDS + SENDING),
    ("send.conns", ENDS + SENDING),
    ("sent.conns", ENDS + ["close"]),
    ("get.took", ENDS + READING),
    ("send.receipt", ENDS + SENDING),
    ("step.drain", ENDS + ["close"]),
    ("step.end", ENDS + ["close"]),
]
SUCCESSOR = [
    ("step.begin", ENDS + ["close"]),
    ("step.protocol", ["enomem"]),
    ("step.newer", ["enomem"]),
    ("get.offer", ENDS + READING),
    ("got.offer", ["emfile"]),
    ("get.elders", ENDS + READING),
    ("got.elders", ["emfile"]),
    ("get.listeners", ENDS + READING),
    ("got.listeners", ["emfile"]),
    ("get.offered", ENDS + READING),
    ("step.tls", ["enomem"]),
    ("step.forms", ["enomem"]),
    ("send.ready", ENDS + SENDING),
    ("sent.ready", ENDS + ["close"]),
    ("get.commit", ENDS + READING),
    ("step.accept", ENDS + ["close"]),
    ("send.serving", ENDS + SENDING),
    ("sent.serving", ENDS + ["close"]),
    ("get.main", ENDS + READING),
    ("get.conns", ENDS + READING),
    ("got.conns", ["emfile"]),
    ("send.took", ENDS + SENDING),
    ("sent.took", ENDS + ["close"]),
    ("get.receipt", ENDS + READING),
]
# Its socket to the generations cannot close: it holds both ends.
SUPERVISOR = [
    ("get.starting", ENDS + ["enomem"]),
    ("get.listeners", ENDS + ["enomem"]),
    ("got.listeners", ["emfile"]),
    ("get.offered", ENDS + ["enomem"]),
    ("get.serving", ENDS + ["enomem"]),
    ("get.receipt", ENDS + ["enomem"]),
    ("step.reap", ENDS),
]
# While it starts the program again after a crash.  One that is killed there leaves
# nobody: that is two faults, and not in the grid.
AGAIN = [
    ("step.reap", ["stop"]),
    ("step.start", ["stop", "enomem", "emfile"]),
    ("send.offer", ["stop"] + SENDING),
    ("send.listeners", ["stop"] + SENDING),
    ("send.offered", ["stop"] + SENDING),
    ("get.starting", ["stop", "enomem"]),
    ("get.ready", ["stop"] + READING),
    ("send.commit", ["stop"] + SENDING),
    ("sent.commit", ["stop", "close"]),
    ("get.serving", ["kill", "stop", "enomem"]),
]


def grid():
    """(role, point, fault, below a supervisor, after a crash) of every case."""
    for role, points in (("predecessor", PREDECESSOR), ("successor", SUCCESSOR),
                         ("supervisor", SUPERVISOR)):
        for point, faults in points:
            for fault in faults:
                yield role, point, fault, True, False
    for point, faults in AGAIN:
        for fault in faults:
            yield "supervisor", point, fault, True, True
    # Without a supervisor a successor's faults must harm no more.
    for point, faults in SUCCESSOR:
        for fault in faults:
            yield "successor", point, fault, False, False


def case(role, point, fault, supervised, crash):
    def test(self):
        self.through(role, point, fault, supervised, crash)

    test.__name__ = "test_%s_%s_%s%s" % (
        role, point.replace(".", "_"), fault,
        "_after_a_crash" if crash else "" if supervised else "_alone")
    return test


class GivenBack(FaultCase):
    """A generation that is taken back cannot give its connections."""

    def given_back(self):
        return self.status(self.srv)["receipts"][0].get("rollback", {}).get("given_back")

    def one_serves(self, fault):
        self.put("1")
        self.srv = self.app(env={"MOLT_FAULT": self.path("fault"), "MOLT_SERVER_BAKETIME": "60s",
                                 "MOLT_SERVER_GRACEFULSHUTDOWNTIMEOUT": "2s"})
        first, self.overseer = self.srv.pid, None
        idle = self.connect(self.srv)
        self.assertEqual(int(idle.request("GET", "/pid").body), first)
        second = self.restarted(self.srv)
        self.assertEqual(int(idle.request("GET", "/pid").body), second)
        self.arm(fault)
        self.assertEqual(self.admin(self.srv, "rollback").status, 200)
        self.assertTrue(procs.wait_gone(second, 10 * SLOW), self.srv.log())
        self.assertTrue(self.fired())
        self.assertNotIn("serves on", self.srv.log())
        self.assertEqual(self.generations_now(), [first])
        self.assertEqual(self.serving_pid(self.srv), first)
        self.assertTrue(eventually(lambda: self.given_back() is not None, 10))
        self.assertGreaterEqual(self.given_back(), 0)
        self.assertNotEqual(self.restarted(self.srv), first)

    def test_when_the_channel_breaks_only_the_predecessor_serves(self):
        self.one_serves("predecessor:send.took:close")

    def test_when_the_predecessor_has_no_descriptors_for_them_only_it_serves(self):
        self.one_serves("predecessor:got.conns:emfile")


class Grid(FaultCase):
    pass


# A process that is stopped keeps its case waiting for five seconds: fewer of them.
STOPS = [what for what in grid() if what[2] == "stop"]
OTHERS = [what for what in grid() if what[2] != "stop"]
for chosen in OTHERS[::EVERY] + STOPS[::1 if ALL else 2 * EVERY]:
    setattr(Grid, case(*chosen).__name__, case(*chosen))


if __name__ == "__main__":
    main()
