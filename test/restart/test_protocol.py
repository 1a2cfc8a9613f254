"""A program that does not speak the handover protocol of the one that runs is refused with
an error of its own, and the one that runs serves on."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import main  # noqa: E402
from faultcase import FaultCase  # noqa: E402


class OtherProtocol(FaultCase):
    def test_it_is_refused_with_eproto(self):
        self.begin(False)
        self.arm("successor:step.protocol:enomem")
        answer = self.restart_api(self.srv)
        self.assertTrue(self.fired())
        self.assertEqual((answer.status, answer.json["error"]), (502, "EPROTO"), answer.json)
        self.assertIn("speaks handover protocol", answer.json["reason"])
        self.restarted(self.srv)


if __name__ == "__main__":
    main()
