"""The systemd units of packaging/ are ones that systemd takes."""
import glob
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import SOURCE, Case, main, program  # noqa: E402


class Units(Case):
    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze here")
    def test_systemd_accepts_them(self):
        units = []
        for path in glob.glob(os.path.join(SOURCE, "packaging", "systemd", "*.*")):
            with open(path) as f:
                text = f.read().replace("/usr/local/bin/molt-demo", program("examples/demo"))
            units.append(os.path.join(self.unit_directory(), os.path.basename(path)))
            with open(units[-1], "w") as f:
                f.write(text)
        self.assertEqual(len(units), 2)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=yes"]
                              + units, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=60)
        said = done.stdout.decode(errors="replace")
        if "Failed to initialize manager" in said:
            self.skipTest("systemd-analyze cannot run here: " + said.strip())
        about_us = [line for line in said.splitlines() if "molt-demo" in line]
        self.assertEqual(about_us, [], said)
        self.assertEqual(done.returncode, 0, said)

    def unit_directory(self):
        if not hasattr(self, "dir"):
            self.dir = self.directory()
        return self.dir


if __name__ == "__main__":
    main()
