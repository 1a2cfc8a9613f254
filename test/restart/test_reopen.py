"""After a rotation every generation that lives writes into the new log files."""
import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
from case import eventually, main  # noqa: E402
from supervised import SupervisedCase  # noqa: E402

CONFIG = """
logger:
  path: '%(logs)s'
  file: app.log
server:
  address: '127.0.0.1:0'
  %(control)s
  exeDirs: '%(dir)s'
  logPath: '%(logs)s'
  accessLogEnabled: true
  accessLogPattern: access.log
  errorLogPattern: error.log
"""
FILES = ("app.log", "access.log", "error.log")


class Reopen(SupervisedCase):
    def setUp(self):
        super().setUp()
        self.logs = self.path("logs")
        self.configure(self.logs)

    def configure(self, logs, control=True):
        os.makedirs(logs, exist_ok=True)
        text = "controlSocket: '%s'" % self.control if control else ""
        self.write("c.yaml", CONFIG % {"logs": logs, "dir": self.dir, "control": text})

    def start(self, **env):
        return self.app(self.path("c.yaml"), address=None, env=env)

    def log(self, name, logs=None):
        try:
            with open(os.path.join(logs or self.logs, name)) as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def rotate(self, suffix=".1"):
        for name in FILES:
            os.rename(os.path.join(self.logs, name), os.path.join(self.logs, name + suffix))

    def hold(self, srv):
        """A request whose generation waits for the rest of its body; that one's pid."""
        pid = self.serving_pid(srv)
        conn = self.connect(srv)
        conn.send(b"POST /echo?held=%d HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                  b"Content-Length: 4\r\n\r\n" % pid)
        self.assertEqual(conn.head().status, 100)
        conn.send(b"ab")
        return conn, pid

    def end(self, held):
        """Ends it, with rubbish behind it, which is a line of the error log."""
        conn, pid = held
        conn.send(b"cdrubbish of %d\r\n\r\n" % pid)
        answer = conn.answer()
        self.assertEqual((answer.status, answer.body), (200, b"abcd"))
        self.assertEqual(conn.answer().status, 400)

    def wrote(self, pid, name, what, logs=None):
        """The lines of that process with those words."""
        return [line for line in self.log(name, logs).splitlines()
                if " %d: " % pid in line and what in line]

    def in_new_files(self, pid, old=".1"):
        for name, what in (("access.log", "held=%d" % pid), ("error.log", "rubbish of %d" % pid),
                           ("app.log", "restart ")):
            self.assertTrue(eventually(lambda: self.wrote(pid, name, what)), (pid, name))
        for name, what in (("access.log", "held="), ("error.log", "rubbish"),
                           ("app.log", "has ended: switched")):
            self.assertFalse(self.wrote(pid, name + old, what), (pid, name))

    def test_the_draining_generation_writes_into_the_new_files(self):
        srv = self.start()
        held = self.hold(srv)
        self.restarted(srv)
        self.rotate()
        said = self.molt("reopen").stdout
        self.assertEqual(said, "The log files are open anew, also in 1 older generation.\n")
        self.end(held)
        self.in_new_files(held[1])

    def test_two_draining_generations(self):
        srv = self.start()
        first = self.hold(srv)
        self.restarted(srv)
        second = self.hold(srv)
        self.restarted(srv)
        for suffix in (".1", ".2"):  # the second time, each has been told once
            self.rotate(suffix)
            said = self.molt("reopen").stdout
            self.assertEqual(said, "The log files are open anew, also in 2 older generations.\n")
        for held in (first, second):
            self.end(held)
            self.in_new_files(held[1], ".2")

    def test_below_a_supervisor(self):
        self.configure(self.logs, control=False)
        srv = self.supervised(self.path("c.yaml"), address=None)
        held = self.hold(srv)
        self.molt("restart")
        self.rotate()
        self.assertIn("also in 1 older generation.", self.molt("reopen").stdout)
        self.end(held)
        self.in_new_files(held[1])

    def test_one_that_cannot_is_named(self):
        gone = self.path("gone")
        self.configure(gone)
        srv = self.start()
        _, pid = self.hold(srv)
        self.configure(self.logs)
        self.restarted(srv)
        shutil.rmtree(gone)
        said = self.molt("reopen", code=1).stderr
        self.assertIn("generation 1 (pid %d) cannot open a log file: No such file" % pid, said)
        self.assertEqual(self.molt("status").returncode, 0)

    def test_one_that_does_not_answer_is_named(self):
        srv = self.start()
        _, pid = self.hold(srv)
        self.restarted(srv)
        procs.pause(pid)
        self.addCleanup(os.kill, pid, signal.SIGCONT)
        self.rotate()
        said = self.molt("reopen", code=1).stderr
        self.assertIn("generation 1 (pid %d) has not answered" % pid, said)
        os.kill(pid, signal.SIGCONT)  # it was told, and does it now
        self.assertTrue(eventually(lambda: self.wrote(pid, "app.log", "log files reopened")))

    def test_a_program_that_is_just_starting_writes_into_the_new_files(self):
        os.mkfifo(self.path("health"))
        srv = self.start(APP_HEALTH=self.path("health"), MOLT_SERVER_PROBE="GET /health 200")
        old = self.serving_pid(srv)
        # It has opened its files, and is probed: it waits for the text of a FIFO.
        asked = self.connect(srv)
        asked.send(b"POST /debug/admin/restart HTTP/1.1\r\nHost: localhost\r\n"
                   b"Content-Length: 0\r\n\r\n")
        with open(self.path("health"), "w") as health:
            self.rotate()
            self.assertEqual(self.molt("reopen").stdout, "The log files are open anew.\n")
            health.write("200")
        self.assertEqual(asked.answer().status, 200)
        new = self.serving_pid(srv)
        self.assertNotEqual(new, old)
        self.text(srv, "/build?new")
        self.assertTrue(eventually(lambda: self.wrote(new, "access.log", "/build?new")))

    def test_after_a_rollback_both_write_into_the_new_files(self):
        srv = self.start(MOLT_SERVER_BAKETIME="60s")
        old = self.serving_pid(srv)
        new = self.restarted(srv)
        held = self.hold(srv)
        self.assertEqual(held[1], new)
        self.molt("rollback")
        self.assertEqual(self.serving_pid(srv), old)
        self.rotate()
        self.molt("reopen")
        self.end(held)
        for name, what in (("access.log", "held="), ("error.log", "rubbish of")):
            self.assertTrue(eventually(lambda: self.wrote(new, name, what)), name)
            self.assertFalse(self.wrote(new, name + ".1", what))
        self.text(srv, "/build?old")
        self.assertTrue(eventually(lambda: self.wrote(old, "access.log", "/build?old")))


if __name__ == "__main__":
    main()
