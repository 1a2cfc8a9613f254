"""What leaves the source tree: the systemd units of packaging/ are ones that systemd takes,
and the README's program is built against what is installed, by the README's own line."""
import glob
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import case  # noqa: E402
import header  # noqa: E402
import procs  # noqa: E402
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


@unittest.skipUnless(shutil.which("pkg-config"), "no pkg-config here")
class Installed(Case):
    """Below a prefix that the dynamic linker does not know."""

    def setUp(self):
        if case.sanitized():
            self.skipTest("a program of its own has no sanitizer")
        self.place = self.directory()
        done = subprocess.run(["meson", "install", "--no-rebuild", "-C", os.path.abspath(case.BUILD),
                               "--destdir", self.place], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60 * SLOW)
        self.assertEqual(done.returncode, 0, done.stdout.decode())
        found = glob.glob(os.path.join(self.place, "**", "pkgconfig", "molt.pc"), recursive=True)
        self.assertEqual(len(found), 1)
        self.package = found[0]
        self.move_prefix()

    def move_prefix(self):
        """The build has another prefix; the first line alone tells it."""
        with open(self.package) as f:
            text = f.read()
        prefix = re.match(r"prefix=(/\S+)\n", text)
        self.assertEqual(text.count(prefix.group(1)), 1, text)
        with open(self.package, "w") as f:
            f.write("prefix=" + self.place + text[len("prefix="):])

    def readme(self, pattern):
        with open(os.path.join(SOURCE, "README.md")) as f:
            found = re.findall(pattern, f.read(), re.S)
        self.assertEqual(len(found), 1, found)
        return found[0]

    def hello(self):
        """The README's program, built by the README's line."""
        with open(os.path.join(self.place, "hello.c"), "w") as f:
            f.write(self.readme(r"\n```c\n(.*?)```"))
        env = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(self.package))
        done = subprocess.run(self.readme(r"`(cc -o hello [^`]*)`"), shell=True, cwd=self.place,
                              env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=60 * SLOW)
        self.assertEqual((done.returncode, done.stdout), (0, b""))
        return os.path.join(self.place, "hello")

    def installed(self, *path):
        """The one installed file whose path ends so."""
        found = glob.glob(os.path.join(self.place, "**", *path), recursive=True)
        self.assertEqual(len(found), 1, path)
        return found[0]

    def test_every_function_has_its_manual_page(self):
        names = re.findall(r"(?m)^MOLT_API [^;]*?\b(molt_\w+)\(", header.text())
        self.assertGreater(len(names), 100)
        for name in names + ["libmolt", "molt_websocket"]:
            with open(self.installed("man", "man3", name + ".3")) as f:
                text = f.read()
            if text.startswith(".so "):
                self.installed("man", text.split()[1])
        for page in ("man1/molt.1", "man7/molt.7"):
            self.installed("man", page)

    def test_the_completions_are_where_the_shells_look(self):
        for path, of in ((("bash-completion", "completions", "molt"), "bash-completion/molt"),
                         (("zsh", "site-functions", "_molt"), "zsh/_molt")):
            with open(self.installed("share", *path)) as f, \
                    open(os.path.join(SOURCE, "packaging", of)) as made:
                self.assertEqual(f.read(), made.read())

    @unittest.skipUnless(shutil.which("man"), "no man here")
    def test_man_finds_the_page_of_a_function(self):
        manual = os.path.dirname(os.path.dirname(self.installed("man", "man3", "libmolt.3")))
        done = subprocess.run(["man", "-M", manual, "-P", "cat", "3", "molt_req_param"],
                              env=dict(os.environ, LC_ALL="C", MANWIDTH="100"),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60 * SLOW)
        said = done.stdout.decode(errors="replace")
        if "minimized" in said:
            self.skipTest("man is a stand-in here: " + said.strip())
        self.assertEqual(done.returncode, 0, said)
        self.assertIn("molt_req_param(const molt_req *r, const char *name)",
                      re.sub(r".\x08", "", said))

    def test_the_smallest_program_finds_its_library_and_restarts(self):
        srv = self.server(self.hello(), env={"LD_LIBRARY_PATH": None})
        old = srv.pid
        with open("/proc/%d/maps" % old) as f:
            self.assertIn(os.path.join(self.place, ""), re.findall(r"\S*libmolt\.so\S*", f.read())[0])
        self.assertEqual(self.fetch(srv, "/").body, b"Hello!\n")
        self.assertTrue(self.admin(srv, "restart").json["ok"])
        self.assertTrue(procs.wait_gone(old, 5 * SLOW))
        self.assertEqual(self.fetch(srv, "/").body, b"Hello!\n")


if __name__ == "__main__":
    main()
