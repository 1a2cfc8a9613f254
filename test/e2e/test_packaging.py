"""The systemd units of packaging/ are ones that systemd takes."""
import glob
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import SLOW, SOURCE, Case, main, program  # noqa: E402


@unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze here")
class Units(Case):
    def verified(self, change=lambda text: text):
        """Copies whose program exists, changed; the result, and what it says about them."""
        directory, units = self.directory(), []
        for path in glob.glob(os.path.join(SOURCE, "packaging", "systemd", "*.*")):
            with open(path) as f:
                text = f.read().replace("/usr/local/bin/molt-demo", program("examples/demo"))
            text = text.replace("/usr/local/bin/molt ", program("src/cli/molt") + " ")
            units.append(os.path.join(directory, os.path.basename(path)))
            with open(units[-1], "w") as f:
                f.write(change(text))
        self.assertEqual(len(units), 4)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=yes"]
                              + units, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=60 * SLOW)
        said = done.stdout.decode(errors="replace")
        if "Failed to initialize manager" in said:
            self.skipTest("systemd-analyze cannot run here: " + said.strip())
        return done.returncode, [line for line in said.splitlines() if "molt-demo" in line], said

    def test_systemd_accepts_them(self):
        code, about_us, said = self.verified()
        self.assertEqual((code, about_us), (0, []), said)

    def test_a_mistake_would_be_noticed(self):
        _, about_us, said = self.verified(lambda text: text.replace("KillMode=", "KilMode="))
        self.assertIn("KilMode", "".join(about_us), said)


if __name__ == "__main__":
    main()
