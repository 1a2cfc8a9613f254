"""Restarts under load, counted strictly: see load.py for what is a failure."""
import json
import random
import subprocess
import threading
import time

import load
import procs
from case import SHORT, SLOW, program
from release import RestartCase

RESTARTS = 4 if SHORT else 12


class Fast:
    """The client of test/programs/load.c in a process of its own: GET only, for more
    requests than load.Running can make.  count: answers so far."""

    def __init__(self, port, mode, clients, pause_ms=20):
        self.proc = subprocess.Popen(
            [program("test/programs/load"), str(port), mode, str(clients), str(pause_ms)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.count = int(self.proc.stdout.readline() or 0)
        if not self.count:
            self.proc.wait()
            raise AssertionError("the load client did not start")
        self.report = None
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.proc.stdout:
            if line.startswith("{"):
                self.report = json.loads(line)
            else:
                self.count = int(line)

    def wait_count(self, n, timeout=120):
        """Until n answers have come."""
        end = time.monotonic() + timeout * SLOW
        while self.count < n:
            if time.monotonic() > end or self.proc.poll() is not None:
                raise AssertionError("%d answers of %d came" % (self.count, n))
            time.sleep(0.005)

    def finish(self):
        """Ends it; returns its report."""
        self.proc.stdin.close()
        self.reader.join()
        self.proc.wait()
        return self.report

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        self.reader.join()
        self.proc.stdout.close()


class LoadCase(RestartCase):
    def through_restarts(self, mode, clients=32, mix="get", tls=False, env=None, pause=0.3,
                         client_env=None, restarts=RESTARTS):
        """So many restarts under load; fails when a request did, when the number
        of generations that answered is another, or when somebody stays."""
        self.put("1")
        srv = self.server(self.path("app"), env=env)
        pids = [srv.pid]
        clients = 8 if SHORT else clients
        with load.Running(srv.port, mode, clients, tls, mix, timeout=30 * SLOW,
                          env=client_env) as run:
            time.sleep(0.3)  # the first generation answers requests of every kind
            for i in range(restarts):
                self.put("12"[i % 2])  # another build each time
                pids.append(srv.restart())
                time.sleep(pause * (0.5 + random.random()))
            time.sleep(0.2)
            report = run.finish()
        said = json.dumps(report, indent=1)
        print("%s %s%s: %d restarts, %d ok, %d failed, %d reconnects, %d stalls, longest %.0f ms"
              % (mode, mix, " tls" if tls else "", restarts, report["ok"], report["failed"],
                 report["reconnects"], report["stalls"], report["longest_ms"]), flush=True)
        self.assertEqual(report["failed"], 0, said + srv.log()[-3000:])
        self.assertEqual(report["idle_closes"], 0, "closed without announcing it: " + said)
        if mode != "new" and (env or {}).get("MOLT_SERVER_HANDOVER") != "false":
            self.assertEqual(report["reconnects"], 0, "connections did not move: " + said)
        self.assertEqual(len(set(pids)), restarts + 1, "a restart made no new process")
        self.assertIn(str(pids[-1]), report["pids"], said)
        if pause:
            self.assertEqual(len(report["pids"]), restarts + 1, said)
        self.promised(report["longest_ms"], 1500)
        for pid in pids[:-1]:
            self.assertTrue(procs.wait_gone(pid, 30 * SLOW), "generation %d stays" % pid)
        self.assertEqual(srv.pids(), [pids[-1]])
        srv.stop()
