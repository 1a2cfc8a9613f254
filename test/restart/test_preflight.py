"""PREFLIGHT: what the machine cannot carry is refused with a sentence, nothing is
started, and the old process serves on."""
import os
import resource
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
from case import main  # noqa: E402
from release import RestartCase  # noqa: E402


def memory_groups():
    """Folders in which a control group has a limit of memory, with the file of it."""
    with open("/proc/self/mounts") as f:
        mounts = [line.split()[:4] for line in f]
    for _, where, kind, options in mounts:
        if kind == "cgroup" and "memory" in options.split(","):
            yield where, "memory.limit_in_bytes", "memory.usage_in_bytes"
        elif kind == "cgroup2":
            with open(os.path.join(where, "cgroup.subtree_control")) as f:
                if "memory" in f.read().split():
                    yield where, "memory.max", "memory.current"


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

    def test_a_limit_that_a_second_process_would_meet_with_its_kernel_memory(self):
        """Refused, where the kernel would kill the one that serves."""
        place, limit, usage = next(memory_groups(), (None, None, None))
        if not place or not os.access(place, os.W_OK):
            self.skipTest("no control group with a limit of memory can be made here")
        group = tempfile.mkdtemp(prefix="molt-test-", dir=place)
        self.addCleanup(os.rmdir, group)

        def number(name):
            with open(os.path.join(group, name)) as f:
                return int(f.read())

        self.put("1")
        srv = self.server(["sh", "-c", "echo $$ >%s/cgroup.procs && exec %s"
                           % (group, self.path("app"))])
        own = 1024 * sum(procs.status_field(srv.pid, k) for k in ("RssAnon", "RssShmem"))
        with open(os.path.join(group, limit), "w") as f:
            f.write(str(number(usage) + own + 200 * 1024))
        self.refused(srv, "ENOMEM", 503, "the limit of its cgroup gives")
        self.serving_pid(srv)
        with open(os.path.join(group, limit), "w") as f:
            f.write("1000000000")
        self.restarted(srv)
        srv.stop()

    def test_what_was_found_is_in_the_receipt(self):
        srv = self.app()
        self.restarted(srv)
        found = self.newest_receipt(srv)["preflight"]
        self.assertGreater(found["memory_needed"], 100 * 1024)
        self.assertGreater(found["memory_free"], found["memory_needed"])
        self.assertGreater(found["descriptors"], 5)


if __name__ == "__main__":
    main()
