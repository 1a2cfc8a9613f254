"""Programs below the supervisor of `molt run`, and the molt command itself."""
import json
import os
import subprocess

import procs
from case import SLOW, program
from release import RestartCase
from server import base_env

MOLT = "src/cli/molt"


class SupervisedCase(RestartCase):
    """DIR/app below a supervisor, with the control socket DIR/ctl/control."""

    @property
    def control(self):
        return self.path("ctl/control")

    def run_argv(self, *argv):
        return [program(MOLT), "run", "--socket", self.control, "--", *argv]

    def supervised(self, *argv, **kw):
        """Starts DIR/app with argv; srv.proc is the supervisor."""
        if not os.path.exists(self.path("app")):
            self.put("1")
        return self.server(self.run_argv(self.path("app"), *argv), **kw)

    def molt(self, *argv, code=0, env=None, before=()):
        """Runs the command, behind others if need be; returns the finished process, output as text."""
        done = subprocess.run([*before, program(MOLT), *argv], timeout=60 * SLOW, text=True,
                              env=base_env(**dict({"MOLT_CONTROL_SOCKET": self.control},
                                                  **(env or {}))),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        if code is not None:
            self.assertEqual(done.returncode, code, done)
        return done

    def molt_json(self, *argv, code=0):
        return json.loads(self.molt(*argv, "--json", code=code).stdout)

    def nobody(self, srv):
        """Nothing of the server's session is left, zombies included."""
        left = procs.of_session(srv.proc.pid)
        self.assertEqual([p for p in left if procs.alive(p)], [])
