"""The shipped units below a real systemd: what matters most.  More of it takes its
time: test/long/test_systemd.py."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import unitcase  # noqa: E402
from unitcase import UnitCase  # noqa: E402
from case import main  # noqa: E402

BAKE = "MOLT_SERVER_BAKETIME=30s"


class Plain(UnitCase):
    def test_stop_after_a_reload_finishes_what_runs_in_both_generations(self):
        first = self.start(env=[BAKE])
        old = self.running()
        second = self.reload()
        self.assertNotEqual(first, second)
        self.active(second)
        self.stops_well(old, self.running())
        for pid in (first, second):
            self.assertIn("[%d]: " % pid, self.journal())

    def test_a_reload_to_a_bad_program_fails_and_says_why(self):
        first = self.start()
        self.put_bad()
        done = self.machine.run("systemctl", "reload", self.service)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.active(first)
        self.assertEqual(self.serving(), first)
        status = self.machine.run("systemctl", "status", "--no-pager", "-l", self.service).stdout
        self.assertRegex(status, r'Status: "Generation 1 serves on; the restart failed: .*exited')
        self.put("1")
        self.active(self.reload())

    def test_a_new_program_that_dies_in_its_bake_leaves_the_unit_with_the_old_one(self):
        first = self.start(env=[BAKE])
        second = self.reload()
        self.active(second)
        old = self.running()
        self.machine.kill(second)
        self.becomes(lambda: self.main_pid() == first, "the main process is the old one again")
        self.active(first)
        third = self.reload()
        self.active(third)
        self.stops_well(self.running())
        self.assertIsNotNone(old)


class Supervised(unitcase.Supervised):
    def test_stop_after_a_reload_finishes_what_runs_in_both_generations(self):
        supervisor = self.start(env=[BAKE])
        old = self.running()
        second = self.reload()
        self.active(supervisor)
        self.assertNotIn(supervisor, (old[1], second))
        self.stops_well(old, self.running())

    def test_a_crash_is_none_of_the_unit(self):
        supervisor = self.start()
        first = self.serving()
        self.machine.kill(first)
        self.becomes(lambda: self.serving() != first, "it is started again")
        self.active(supervisor)
        self.assertEqual(self.machine.show(self.service, "NRestarts"), "0")


del UnitCase

if __name__ == "__main__":
    main()
