"""Two programs of different releases meet in what both speak.  Where that is nothing, the one
that runs serves on; where it is a form of state alone, connections with such a state drain
where they are."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ws  # noqa: E402
from case import SLOW, main  # noqa: E402
from faultcase import FaultCase  # noqa: E402


class OtherProtocol(FaultCase):
    def refused(self, role):
        self.begin(False)
        self.arm(role + ":step.protocol:enomem")
        answer = self.restart_api(self.srv)
        self.assertTrue(self.fired())
        self.assertEqual((answer.status, answer.json["error"]), (502, "EPROTO"), answer.json)
        return answer.json["reason"]

    def test_it_is_refused_with_eproto(self):
        self.assertIn("the predecessor speaks handover protocol 1, this program 2 to 3",
                      self.refused("successor"))
        self.restarted(self.srv)

    def test_a_predecessor_that_speaks_none_of_ours_serves_on(self):
        reason = self.refused("predecessor")
        old = self.srv.pid
        self.assertIn("the predecessor speaks handover protocol 2 to 3, this program 1", reason)
        self.assertEqual(self.text(self.srv, "/pid"), "%d\n" % old)


class NewerProtocol(FaultCase):
    def restarts(self, role):
        self.begin(False)
        kept = self.connect(self.srv)
        kept.request("GET", "/pid")
        self.arm(role + ":step.newer:enomem")
        for _ in range(3):  # it stays so for the whole life of the newer one
            pid = self.restarted(self.srv)
            self.assertEqual(kept.request("GET", "/pid").body, b"%d\n" % pid)
        self.assertTrue(self.fired())

    def test_a_successor_that_speaks_a_further_version_is_restarted_into(self):
        self.restarts("successor")

    def test_and_restarts_into_one_that_does_not(self):
        self.restarts("predecessor")


class OtherForms(FaultCase):
    """One side has left every form of state of today behind; the protocol is the same."""

    def stays(self, role):
        self.begin(False)
        old = self.srv.pid
        plain = self.connect(self.srv)
        plain.request("GET", "/pid")
        line = ws.WebSocket(("127.0.0.1", self.srv.port), "/ws/count", timeout=10 * SLOW)
        self.addCleanup(line.close_socket)
        step = self.held(self.srv, "/step/pids?hops=1")
        self.arm(role + ":step.forms:enomem")
        new = self.restarted(self.srv)
        self.assertTrue(self.fired())
        # A connection without a state moves; the others end where they are.
        self.assertEqual(plain.request("GET", "/pid").body, b"%d\n" % new)
        self.assertEqual(line.closed(5 * SLOW), 1012)
        answer = step.answer()
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.body, b"%d\n%d\n" % (old, old))

    def test_of_a_successor(self):
        self.stays("successor")

    def test_of_a_predecessor(self):
        self.stays("predecessor")


if __name__ == "__main__":
    main()
