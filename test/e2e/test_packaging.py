"""The units to copy: systemd understands them (without running it)."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import SLOW, SOURCE, Case, main, program  # noqa: E402

UNITS = os.path.join(SOURCE, "packaging/systemd")


class Units(Case):
    def verify(self, change=lambda text: text):
        """Verifies copies whose program exists."""
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        directory = self.directory()
        for name in os.listdir(UNITS):
            with open(os.path.join(UNITS, name)) as f:
                text = f.read()
            self.assertIn("/usr/local/bin/molt-demo" if name.endswith("service") else "Accept=no",
                          text)
            text = change(text.replace("/usr/local/bin/molt-demo", program("examples/demo")))
            with open(os.path.join(directory, name), "w") as f:
                f.write(text)
        return subprocess.run(
            ["systemd-analyze", "verify", "--man=no",
             *[os.path.join(directory, name) for name in sorted(os.listdir(UNITS))]],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60 * SLOW)

    def test_systemd_has_nothing_to_say_about_them(self):
        done = self.verify()
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_a_mistake_would_be_noticed(self):
        done = self.verify(lambda text: text.replace("KillMode=mixed", "KilMode=mixd"))
        self.assertIn("KilMode", done.stdout)

    def test_below_molt_run(self):
        """As the comments say: the main process is the supervisor."""
        done = self.verify(lambda text: text.replace("NotifyAccess=main", "NotifyAccess=all")
                           .replace("ExecStart=", "ExecStart=%s run -- " % program("src/cli/molt")))
        self.assertEqual((done.returncode, done.stdout), (0, ""))


if __name__ == "__main__":
    main()
