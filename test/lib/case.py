"""What every test file starts from: the build directory, a test case that
starts servers and checks that nothing of them is left, and main()."""
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import rawhttp
from server import SLOW, Server

SHORT = bool(os.environ.get("MOLT_SHORT"))
BUILD = os.environ.get("MOLT_BUILD", "")
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def program(name):
    """Path of a built program: "examples/demo", "test/e2e/app" ..."""
    path = os.path.join(os.path.abspath(BUILD), name)
    if not os.access(path, os.X_OK):
        raise unittest.SkipTest("%s is not built" % path)
    return path


def sanitized():
    """The build has a sanitizer, which what is compiled beside has not."""
    with open(os.path.join(BUILD, "meson-info", "intro-buildoptions.json")) as f:
        return any(o["name"] == "b_sanitize" and o["value"] != "none" for o in json.load(f))


def needs(name):
    """Leaves a test out where a command is not installed."""
    return unittest.skipUnless(shutil.which(name), name + " is not installed")


OWN_PIDS = ["unshare", "--pid", "--fork", "--mount-proc"]  # a program behind it is pid 1


def needs_own_pids():
    """Leaves a test, or a class in setUp(), out where this user may not have pid namespaces."""
    if subprocess.run(OWN_PIDS + ["true"], stderr=subprocess.DEVNULL).returncode:
        raise unittest.SkipTest("no pid namespaces for this user")


def eventually(check, timeout=5, step=0.02):
    """Calls check() until it gives something true, and returns that; the last
    value when the time is over."""
    end = time.monotonic() + timeout * SLOW
    while True:
        value = check()
        if value or time.monotonic() > end:
            return value
        time.sleep(step)


class Held:
    """A request that has begun and runs until the test releases it."""

    def __init__(self, conn, path):
        self.conn, self.path = conn, path

    def release(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        return self.conn

    def answer(self):
        """Releases it; its answer."""
        return self.release().answer()


class Case(unittest.TestCase):
    """Servers and directories made through it are cleaned up, and a server that
    had to be killed at the end fails the test."""

    maxDiff = 2000
    alone = False  # on the machine: test/long says so in its classes

    def promised(self, ms, limit):
        """A time that is promised, of which the scheduler decides a part: asserted only by
        tests that run alone."""
        if self.alone:
            self.assertLess(ms, limit * SLOW)

    def directory(self):
        path = tempfile.mkdtemp(prefix="molt-test-")
        self.addCleanup(shutil.rmtree, path, True)
        return path

    @classmethod
    def shared_server(cls, argv, **kw):
        """A server for all tests of the class; for setUpClass()."""
        srv = Server([argv] if isinstance(argv, str) else argv, **kw)
        cls.addClassCleanup(cls._shared_stopped, srv)
        return srv.start()

    @classmethod
    def _shared_stopped(cls, srv):
        log = srv.log()
        killed = srv.stop()
        if killed:
            raise AssertionError("still running after SIGTERM: %r; log:\n%s"
                                 % (killed, log[-4000:]))

    def server(self, argv, **kw):
        srv = Server([argv] if isinstance(argv, str) else argv, **kw)
        self.addCleanup(self._stopped, srv)
        return srv.start()

    def spawned(self, argv, **kw):
        """The same without waiting until it listens."""
        srv = Server([argv] if isinstance(argv, str) else argv, **kw)
        self.addCleanup(self._stopped, srv)
        return srv.spawn()

    def has_failed(self):
        """For cleanups.  unittest has no public word for it."""
        result = self._outcome.result
        return any(test is self for test, _ in result.failures + result.errors)

    def _stopped(self, srv):
        log = srv.log()
        if self.has_failed():
            print("---- %s left %r; the end of the log of %s:\n%s----" % (
                self.id(), srv.pids(), srv.argv[0],
                "".join(line for line in log.splitlines(True) if "| middleware" not in line)[-8000:]),
                  flush=True)
        killed = srv.stop()
        if killed:
            self.fail("still running after SIGTERM: %r; log:\n%s" % (killed, log[-4000:]))

    def connect(self, where, **kw):
        """A raw connection to a Server, a port, or a path."""
        address = where
        if isinstance(where, Server):
            address = ("127.0.0.1", where.port)
        elif isinstance(where, int):
            address = ("127.0.0.1", where)
        conn = rawhttp.Conn(address, **kw)
        self.addCleanup(conn.close)
        return conn

    def held(self, where, path="/sleep", method="GET", body=None, conn=None, behind=b"", minor=1,
             **kw):
        """Begins a request of the test application that runs until it is released, on conn or
        a connection of its own, and waits until it has begun.  behind: bytes sent behind it."""
        if not hasattr(self, "_holds"):
            self._holds = self.directory(), itertools.count()
        name = os.path.join(self._holds[0], str(next(self._holds[1])))
        conn = conn or self.connect(where, **{"timeout": 60 * SLOW, **kw})
        length = "" if body is None else "Content-Length: %d\r\n" % len(body)
        head = "%s %s%shold=%s HTTP/1.%d\r\nHost: a\r\n%s\r\n" % (
            method, path, "&" if "?" in path else "?", name, minor, length)
        conn.send(head.encode() + (body or b"") + behind)
        self.assertTrue(eventually(lambda: os.path.exists(name), 60, 0.002), "%s: not begun" % path)
        return Held(conn, name)

    def accepted(self, where, **kw):
        """Returns when the connections made before have been accepted: a listener's queue
        is in the order of arrival, and a later one has been answered."""
        self.fetch(where, "/pid", **kw)

    def fetch(self, where, path="/", method="GET", headers=(), body=None, **kw):
        """One request on a connection of its own."""
        conn = self.connect(where, **kw)
        try:
            return conn.request(method, path, headers, body)
        finally:
            conn.close()

    def text(self, where, path="/", **kw):
        answer = self.fetch(where, path, **kw)
        self.assertEqual(answer.status, 200, answer)
        return answer.body.decode()

    def serving_pid(self, where, path="/pid", **kw):
        return int(self.text(where, path, **kw))

    def admin(self, where, action, method="POST", query="", headers=(), **kw):
        """Calls the admin API; returns the answer, .json being its object or None."""
        answer = self.fetch(where, "/debug/admin/" + action + query, method, headers, **kw)
        try:
            answer.json = json.loads(answer.body)
        except ValueError:
            answer.json = None
        return answer

    def wait_running(self, where, n):
        """Until n requests run besides the one that asks."""
        self.assertTrue(eventually(
            lambda: self.admin(where, "status", "GET").json["servers"][0]["requests"] == n + 1, 30))


def curl(*args, timeout=30):
    """Runs curl silently; returns the finished process, output as bytes."""
    return subprocess.run(["curl", "-sS", "--noproxy", "*", *args], timeout=timeout * SLOW,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def main():
    if not BUILD:
        sys.exit("set MOLT_BUILD to the build directory")
    # Servers would inherit what a script's "&" or nohup ignores.
    for sig, usual in ((signal.SIGINT, signal.default_int_handler),
                       (signal.SIGQUIT, signal.SIG_DFL), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(sig) == signal.SIG_IGN:
            signal.signal(sig, usual)
    unittest.main(verbosity=2)
