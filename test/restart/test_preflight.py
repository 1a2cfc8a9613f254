"""PREFLIGHT: what the machine cannot carry is refused with a sentence, nothing is
started, and the old process serves on."""
import os
import resource
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
from case import main  # noqa: E402
from release import RestartCase  # noqa: E402


class Preflight(RestartCase):
    def refused(self, srv, error, status, reason, exe=None):
        """The restart is refused with nothing started; returns the receipt."""
        before = srv.pids()
        answer = self.restart_api(srv, exe)
        self.assertEqual((answer.status, answer.json["error"]), (status, error), answer)
        self.assertRegex(answer.json["reason"], reason)
        receipt = answer.json["receipt"]
        self.assertEqual((receipt["outcome"], receipt["phase"]), ("refused", "PREFLIGHT"))
        self.assertNotIn("successor_pid", receipt)
        self.assertEqual(srv.pids(), before)
        return receipt

    def test_too_few_descriptors(self):
        srv = self.app()
        soft, hard = resource.prlimit(srv.pid, resource.RLIMIT_NOFILE)
        used = len(procs.descriptors(srv.pid))
        resource.prlimit(srv.pid, resource.RLIMIT_NOFILE, (used + 10, hard))
        receipt = self.refused(srv, "EMFILE", 503, "a restart needs 32 more.*LimitNOFILE")
        self.assertEqual(receipt["preflight"]["descriptors_limit"], used + 10)
        resource.prlimit(srv.pid, resource.RLIMIT_NOFILE, (soft, hard))
        self.restarted(srv)

    def test_a_check_that_is_switched_off_refuses_nothing(self):
        srv = self.app(env={"MOLT_SERVER_PREFLIGHTDESCRIPTORS": "false"})
        soft, hard = resource.prlimit(srv.pid, resource.RLIMIT_NOFILE)
        used = len(procs.descriptors(srv.pid))
        resource.prlimit(srv.pid, resource.RLIMIT_NOFILE, (used + 30, hard))
        second = self.restarted(srv)
        resource.prlimit(second, resource.RLIMIT_NOFILE, (soft, hard))

    def test_a_directory_where_everybody_may_write(self):
        srv = self.app()
        os.mkdir(self.path("open"))
        self.put("2", "open/app")
        os.chmod(self.path("open"), 0o777)
        # The admin API has a rule of its own, so that the function is asked here.
        told = self.text(srv, "/restart?exe=" + self.path("open/app"))
        self.assertTrue(told.startswith("-13 "), told)
        receipt = self.status(srv)["receipts"][0]
        self.assertRegex(receipt["reason"], "everybody may write to the directory .*/open;")
        os.chmod(self.path("open"), 0o755)
        self.assertTrue(self.text(srv, "/restart?exe=" + self.path("open/app")).startswith("0 "))

    def test_a_program_of_another_user(self):
        if os.geteuid() != 0:
            self.skipTest("only root can give a file to another user")
        srv = self.app()
        self.put("2", "theirs")
        os.chown(self.path("theirs"), 12345, -1)
        told = self.text(srv, "/restart?exe=" + self.path("theirs"))
        self.assertTrue(told.startswith("-13 "), told)
        self.assertRegex(self.status(srv)["receipts"][0]["reason"], "it belongs to user 12345")
        os.chown(self.path("theirs"), 0, -1)
        self.restarted(srv, self.path("theirs"))

    def test_what_was_found_is_in_the_receipt(self):
        srv = self.app()
        self.restarted(srv)
        found = self.newest_receipt(srv)["preflight"]
        self.assertGreater(found["memory_needed"], 100 * 1024)
        self.assertGreater(found["memory_free"], found["memory_needed"])
        self.assertGreater(found["descriptors"], 5)


if __name__ == "__main__":
    main()
