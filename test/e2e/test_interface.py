"""The public interface can grow: programs that were compiled with an older and with a newer
molt.h run with this library.  Both headers are made from this one: each struct that goes by
pointer has a member fewer, or one more."""
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import case  # noqa: E402
import header  # noqa: E402
from case import OWN_PIDS, SLOW, SOURCE, Case, main, needs_own_pids  # noqa: E402
from ws import WebSocket  # noqa: E402

PROGRAM = os.path.join(SOURCE, "test", "programs", "interface.c")
STRUCT = re.compile(r"typedef struct (molt_\w+) \{\n(.*?)\n\} \1;", re.S)
SIZE = "\tsize_t size;\n"
LIBRARIES = ["libuv", "openssl", "jansson", "yaml-0.1", "zlib", "libnghttp2"]
# By value and complete for ever; made by the library, read by the program.
SIZELESS = {"molt_str", "molt_news"}
FORM = (b"--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.css\"\r\n"
        b"Content-Type: text/css\r\n\r\ndata\r\n--B--\r\n")


def without_last_member(body):
    """The last name of the last declaration, or all of that."""
    code = re.sub(r"/\*.*?\*/", "", body, flags=re.S).rstrip()
    before, last = re.fullmatch(r"(.*;)\s*([^;]+);", code, re.S).groups()
    first, comma, _ = last.rpartition(",")
    return before + (first + ";" if comma and "(" not in last else "")


def older(match):
    name, body = match.groups()
    if not body.startswith(SIZE.rstrip("\n")):
        return match.group()
    return "typedef struct %s {\n%s\n} %s;" % (name, without_last_member(body), name)


def newer(match):
    name, body = match.groups()
    if not body.startswith(SIZE.rstrip("\n")):
        return match.group()
    return "typedef struct %s {\n%s\n\tlong newer;\n} %s;" % (name, body, name)


class Header(unittest.TestCase):
    def test_every_struct_begins_with_its_size_or_needs_none(self):
        found = STRUCT.findall(header.text())
        self.assertGreaterEqual(len(found), 11)
        # None is written in a form that STRUCT does not find.
        self.assertEqual(len(found), len(re.findall(r"^(?:typedef )?struct \w+ \{", header.text(), re.M)))
        self.assertEqual({name for name, body in found if not (body + "\n").startswith(SIZE)}, SIZELESS)

    def test_each_part_is_included_by_molt_h_and_needs_no_other_before_it(self):
        there = {os.path.join("molt", name) for name in os.listdir(os.path.join(header.INCLUDE, "molt"))}
        self.assertEqual(there | {"molt.h"}, set(header.files()))
        for name in header.files():
            done = subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-Wall", "-Wextra", "-Werror",
                                   "-fsyntax-only", "-I" + header.INCLUDE, "-xc", "-"],
                                  input=b"#include <%s>\n" % name.encode(),
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60 * SLOW)
            self.assertEqual((done.returncode, done.stdout), (0, b""), name)


class Interface(Case):
    @classmethod
    def setUpClass(cls):
        if case.sanitized():
            raise unittest.SkipTest("a program of its own has no sanitizer")

    def compiled(self, how, change):
        directory, build = self.directory(), os.path.abspath(case.BUILD)
        os.mkdir(os.path.join(directory, "molt"))
        structs = 0
        for name in header.files():
            with open(os.path.join(header.INCLUDE, name), encoding="utf-8") as f:
                changed, count = STRUCT.subn(change, f.read())
            with open(os.path.join(directory, name), "w", encoding="utf-8") as f:
                f.write(changed)
            structs += count
        self.assertGreaterEqual(structs, 11)
        with open(os.path.join(directory, "a.css"), "w") as f:
            f.write("x")
        out = os.path.join(directory, "program")
        done = subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-Wall", "-Wextra", "-Werror",
                               "-D" + how, "-I" + directory, PROGRAM, "-o", out,
                               os.path.join(build, "libmolt.so"), "-Wl,-rpath," + build],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60 * SLOW)
        self.assertEqual(done.returncode, 0, done.stdout.decode())
        return out

    def all_works(self, srv):
        """Each struct once."""
        self.assertEqual(self.text(srv, "/info"), "0 generation 1 whole\n")
        self.assertEqual(self.text(srv, "/steps"), "stepped\n")
        self.assertIn("a.css", self.text(srv, "/files/"))
        self.assertEqual(self.fetch(srv, "/files/a.css").all("cache-control"), [])
        uploaded = self.fetch(srv, "/upload", "POST", {"Content-Type": "multipart/form-data; boundary=B"}, FORM)
        self.assertEqual(uploaded.body, b"0 x.css text/css whole\n")
        self.assertEqual(self.fetch(srv, "/cookie").all("set-cookie"), ["a=b; HttpOnly"])
        self.assertEqual(self.exchanged(srv, "/ws", 1), ["heard"])
        self.assertEqual(self.exchanged(srv, "/line", 2), ["text", "whole"])

    def exchanged(self, srv, path, n):
        ws = WebSocket(("127.0.0.1", srv.port), path)
        self.addCleanup(ws.close_socket)
        ws.send("hello")
        return [ws.recv() for _ in range(n)]

    def test_a_program_that_knows_fewer_members_works(self):
        program = self.compiled("OLDER", older)
        self.all_works(self.server(program, cwd=os.path.dirname(program)))

    def test_a_program_that_knows_more_members_works_as_long_as_it_sets_none(self):
        program = self.compiled("NEWER", newer)
        self.all_works(self.server(program, cwd=os.path.dirname(program)))

    def test_a_member_that_the_library_does_not_know_is_refused_with_a_sentence(self):
        program = self.compiled("NEWER", newer)
        for name in ("server_opts", "listen_opts", "route_opts", "static_opts", "ws_endpoint"):
            with self.subTest(name):
                done = subprocess.run([program, "molt_" + name], stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, timeout=60 * SLOW,
                                      cwd=os.path.dirname(program))
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stdout.decode(), "a molt_%s has members set that libmolt [0-9.]+ "
                                 "does not know: the program was built for a newer one" % name)
        srv = self.server([program, "molt_cookie"], cwd=os.path.dirname(program))
        answer = self.fetch(srv, "/cookie")
        self.assertEqual((answer.body, answer.all("set-cookie")), (b"Argument list too long\n", []))
        srv.wait_log("a molt_cookie has members set")


class AtStart(Case):
    """What linking does before main(), and what a program keeps for itself (MOLT_AT_START)."""
    ENV = {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1000", "LISTEN_FDS": "1", "MOLT_SUPERVISED": "1"}

    @classmethod
    def setUpClass(cls):
        if case.sanitized():
            raise unittest.SkipTest("a program of its own has no sanitizer")

    def compiled(self, library, keeps):
        build, out = os.path.abspath(case.BUILD), os.path.join(self.directory(), "program")
        libs = [os.path.join(build, "libmolt.so"), "-Wl,-rpath," + build]
        if library == "static":
            libs = [os.path.join(build, "libmolt.a"), "-lwslay", "-lpthread"]
            libs[1:1] = subprocess.check_output(["pkg-config", "--libs"] + LIBRARIES).decode().split()
        done = subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-Wall", "-Wextra", "-Werror",
                               "-fvisibility=hidden", "-I" + header.INCLUDE] +
                              (["-DKEEPS=" + keeps] if keeps else []) +
                              [os.path.join(SOURCE, "test", "programs", "at_start.c"), "-o", out] + libs,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60 * SLOW)
        self.assertEqual(done.returncode, 0, done.stdout.decode())
        return out

    def says(self, argv, **env):
        """{name: value}; its standard input is closed."""
        done = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh"] + argv, stdout=subprocess.PIPE,
                              env={**os.environ, **self.ENV, **env}, timeout=60 * SLOW)
        self.assertEqual(done.returncode, 0)
        return dict(re.findall(r"(?m)^(\w+) (\S+)$", done.stdout.decode()))

    def test_it_keeps_what_it_says_and_no_more(self):
        for library in ("shared", "static"):
            with self.subTest(library):
                said = self.says([self.compiled(library, None)], SIGNAL="1")
                said.pop("pid")
                self.assertEqual(said, {**{name: "-" for name in self.ENV}, "stdin": "open"})
                said = self.says([self.compiled(library, "MOLT_KEEP_ENVIRONMENT")], SIGNAL="1")
                said.pop("pid")
                self.assertEqual(said, {**self.ENV, "MOLT_SUPERVISED": "-", "stdin": "open"})

    def test_as_pid_1_it_runs_there_when_it_says_so(self):
        needs_own_pids()
        for keeps, there in ((None, False), ("MOLT_KEEP_ENVIRONMENT", False), ("MOLT_KEEP_PID_1", True)):
            with self.subTest(keeps):
                said = self.says(OWN_PIDS + [self.compiled("shared", keeps)])
                self.assertEqual(said["pid"] == "1", there)


if __name__ == "__main__":
    main()
