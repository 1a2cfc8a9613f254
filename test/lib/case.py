"""What every test file starts from: the build directory, a test case that
starts servers and checks that nothing of them is left, and main()."""
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


def needs(name):
    """Leaves a test out where a command is not installed."""
    return unittest.skipUnless(shutil.which(name), name + " is not installed")


def eventually(check, timeout=5, step=0.02):
    """Calls check() until it gives something true, and returns that; the last
    value when the time is over."""
    end = time.monotonic() + timeout * SLOW
    while True:
        value = check()
        if value or time.monotonic() > end:
            return value
        time.sleep(step)


class Case(unittest.TestCase):
    """Servers and directories made through it are cleaned up, and a server that
    had to be killed at the end fails the test."""

    maxDiff = 2000

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

    def _stopped(self, srv):
        log = srv.log()
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
