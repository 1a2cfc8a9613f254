"""One fault at one point of a restart under load, and what must hold then: exactly
one generation serves, only what was inside the killed process is lost, nobody is refused,
and the next restart works.  src/base/fault.h says what a point is."""
import os
import signal
import threading
import time
import unittest

import procs
import rawhttp
from case import SLOW, eventually, program
from loadcase import Fast
from supervised import SupervisedCase

REUSED, NEW = 6, 3
# By which time the processes themselves must have dealt with one that is stopped.
STOPPED, KILLED = 9, 3


def built_with_faults():
    with open(program("test/programs/app"), "rb") as f:
        return b"MOLT_FAULT" in f.read()


class Prober(threading.Thread):
    """Asks /pid all the time, each time on a new connection, one after the other, so
    that the order of the answers is the order in which they were accepted."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.over = False
        self.pids = []     # one for each change
        self.refused = []  # what connect() said
        self.lost = 0      # accepted, and no answer
        self.last = time.monotonic()
        self.gap = 0.0     # the longest between two answers
        self.start()

    def ask(self):
        try:
            conn = rawhttp.Conn(("127.0.0.1", self.port), timeout=20 * SLOW)
        except OSError as e:
            self.refused.append(repr(e))
            time.sleep(0.01)
            return
        try:
            pid = int(conn.request("GET", "/pid", {"Connection": "close"}).body)
        except (rawhttp.Broken, OSError):
            self.lost += 1
            return
        finally:
            conn.close()
        now = time.monotonic()
        self.gap = max(self.gap, now - self.last)
        self.last = now
        if not self.pids or self.pids[-1] != pid:
            self.pids.append(pid)

    def run(self):
        while not self.over:
            self.ask()
            time.sleep(0.001)

    def finish(self):
        self.over = True
        self.join(30 * SLOW)


@unittest.skipUnless(built_with_faults(), "built without -Dfaults=true")
class FaultCase(SupervisedCase):
    def begin(self, supervised):
        self.put("1")
        env = {"MOLT_FAULT": self.path("fault"), "MOLT_SERVER_READYTIMEOUT": "2s",
               "MOLT_SERVER_BAKETIME": "500ms"}
        start = self.supervised if supervised else self.app
        self.srv = start(env=env)
        self.overseer = self.srv.proc.pid if supervised else None

    def arm(self, text):
        with open(self.path("fault.new"), "w") as f:
            f.write(text)
        os.rename(self.path("fault.new"), self.path("fault"))

    def fired(self):
        return os.path.exists(self.path("fault.fired"))

    def generations_now(self):
        return [p for p in self.srv.pids() if p != self.overseer]

    def ask_restart(self):
        """Its answer may be lost with the process that gives it."""
        try:
            self.restart_api(self.srv.port)
        except (rawhttp.Broken, OSError, AssertionError):
            pass

    def settled(self):
        """One generation lives, and it answers."""
        alive = self.generations_now()
        return len(alive) == 1 and self.prober.pids[-1:] == alive and \
            time.monotonic() - self.prober.last < 0.5

    def next_restart(self):
        old = self.serving_pid(self.srv.port)
        answer = self.restart_api(self.srv.port)
        self.assertEqual(answer.status, 200, answer)
        new = self.serving_pid(self.srv.port)
        self.assertNotEqual(new, old)
        self.assertTrue(eventually(self.settled, 10), "pids %r" % self.generations_now())

    def through(self, role, point, fault, supervised, crash=False):
        """crash: the fault comes while the program is started again after a kill -9;
        otherwise while it is restarted."""
        self.begin(supervised)
        port = self.srv.port
        self.prober = Prober(port)
        with Fast(port, "reused", REUSED) as kept, Fast(port, "new", NEW) as fresh:
            try:
                self.hit(role, point, fault, crash)
                self.next_restart()
            except AssertionError as e:
                raise AssertionError("%s\n%s" % (e, self.srv.log()[-3000:])) from None
            finally:
                self.prober.finish()
            reports = [kept.finish(), fresh.finish()]
        self.judge(reports, fault, crash)

    def hit(self, role, point, fault, crash):
        asker = threading.Thread(target=self.ask_restart, daemon=True)
        self.arm("%s:%s:%s" % (role, point, fault))
        if crash:
            os.kill(self.serving_pid(self.srv.port), signal.SIGKILL)
        else:
            asker.start()
        self.assertTrue(eventually(self.fired, 8), "the point was not reached")
        time.sleep(0.6)  # an answer from before must not count
        if role == "supervisor" and fault == "stop":
            os.kill(self.overseer, signal.SIGCONT)
        self.assertTrue(eventually(self.settled, 15), "pids %r, answers from %r" % (
            self.generations_now(), self.prober.pids))
        if not crash:
            asker.join(15 * SLOW)  # the next one would join a restart that has not ended
            self.assertFalse(asker.is_alive(), "who asked for the restart has no answer")

    def judge(self, reports, fault, crash):
        log = self.srv.log()[-3000:]
        p = self.prober
        said = "refused %r, lost %d, answers from %r, longest gap %.2f s\n%r\n%s" % (
            p.refused[:3], p.lost, p.pids, p.gap, reports, log)
        # Nobody is refused while one process has the listeners, the supervisor included.
        self.assertEqual(p.refused, [], said)
        kinds = {k for r in reports for k in r["by_kind"]}
        self.assertLessEqual(kinds, {"fresh_reset", "reused_reset", "eof_before_answer", "partial",
                                     "timeout"}, said)
        # What was inside the killed process, once; never more.
        killed = 2 if crash and fault == "kill" else 1
        self.assertLessEqual(reports[0]["failed"], killed * REUSED, said)
        self.assertLessEqual(reports[1]["failed"], killed * NEW, said)
        self.assertLessEqual(p.lost, killed, said)
        # Two owners would be seen in turn.  Once a service may come back.
        self.assertLessEqual(len(p.pids), len(set(p.pids)) + 1, "two owners: " + said)
        self.promised(p.gap, STOPPED if fault == "stop" else KILLED)
        self.lost = sum(r["failed"] for r in reports)
