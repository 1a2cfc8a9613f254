"""A program that its author built with AddressSanitizer, with the library as it is installed."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
from case import main, program  # noqa: E402
from release import RestartCase, install  # noqa: E402


class Sanitized(RestartCase):
    def test_it_restarts_and_stays_small(self):
        install(program("test/programs/app_asan"), self.path("app"))
        # The library's own blocks hang on coroutines' stacks, which the checker does not know.
        srv = self.app(env={"ASAN_OPTIONS": "detect_leaks=0"})
        for _ in range(3):
            old = srv.pid
            self.restarted(srv)
            self.assertTrue(procs.wait_gone(old, 10))
            self.assertLess(procs.status_field(srv.pid, "VmRSS"), 1 << 20)  # kB
            self.assertLess(procs.status_field(srv.pid, "VmHWM"), 1 << 20)


if __name__ == "__main__":
    main()
