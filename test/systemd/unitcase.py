"""The shipped units in a machine of one's own: what every test of them starts from."""
import os
import re
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import machine  # noqa: E402
from case import SLOW, Case, eventually, program  # noqa: E402

PORT = 8199  # of the shipped socket units, in a network of our own
DEMO = "/usr/local/bin/molt-demo"
BUILDS = {"1": "test/programs/app", "2": "test/programs/app2", "demo": "examples/demo"}


class UnitCase(Case):
    """A machine for each class, in which molt-demo is the test application."""
    unit = "molt-demo"

    @classmethod
    def setUpClass(cls):
        reason = machine.why_not()
        if reason:
            raise unittest.SkipTest(reason)
        machine.own_network()
        cls.machine = machine.Machine({"molt-demo": program(BUILDS["1"]),
                                       "molt": program("src/cli/molt")})
        cls.addClassCleanup(cls.machine.stop)
        cls.machine.start()
        for unit in ("molt-demo", "molt-demo-run"):
            cls.machine.unit_file(unit + ".service")
            cls.machine.unit_file(unit + ".socket")

    def tearDown(self):
        m = self.machine
        said = m.run("systemctl", "stop", "molt-demo.service", "molt-demo-run.service",
                     "molt-demo.socket", "molt-demo-run.socket").stdout
        m.run("systemctl", "reset-failed")
        for unit in ("molt-demo", "molt-demo-run"):
            m.run("rm", "-rf", "/etc/systemd/system/%s.service.d" % unit)
            self.assertEqual(m.pids(unit), [], said)
        self.put("1")

    # -- the unit

    @property
    def service(self):
        return self.unit + ".service"

    def put(self, build):
        self.machine.put(program(BUILDS[build]), DEMO)

    def put_bad(self):
        self.machine.put(program("test/programs/bad"), "/usr/local/bin/exit_later")
        self.machine.ok("mv", "/usr/local/bin/exit_later", DEMO)

    def systemctl(self, *argv, **kw):
        return self.machine.ok("systemctl", *argv, **kw)

    def start(self, *lines, env=()):
        """Starts the shipped unit with more lines in [Service] and more variables."""
        extra = ["[Service]"] + list(lines) + ["Environment=%s" % e for e in env]
        self.machine.drop_in(self.service, "\n".join(extra) + "\n")
        self.systemctl("daemon-reload")
        self.systemctl("start", self.service)
        return self.main_pid()

    def main_pid(self):
        return self.machine.main_pid(self.service)

    def pids(self):
        return self.machine.pids(self.service)

    def active(self, main=None):
        """The unit is running, and main is its main process."""
        state = self.machine.show(self.service, "ActiveState", "SubState", "MainPID")
        self.assertEqual(state[:2], ["active", "running"], self.journal())
        if main:
            self.assertEqual(int(state[2]), main, self.journal())

    def reload(self):
        """A good one; the pid that serves then."""
        self.systemctl("reload", self.service)
        return self.serving()

    def molt(self, *argv):
        return self.machine.ok("molt", argv[0], "--socket",
                               "/run/%s/control.sock" % self.unit, *argv[1:])

    def journal(self):
        return self.machine.journal(self.service)

    # -- its clients

    def serving(self):
        return self.serving_pid(PORT)

    def becomes(self, check, what):
        self.assertTrue(eventually(check, 15), what + ":\n" + self.journal()[-4000:])

    def running(self, ms=1500):
        """A request that runs in the generation that serves; (connection, its pid)."""
        pid = self.serving()
        conn = self.connect(PORT, timeout=30 * SLOW)
        conn.send(b"GET /sleep?ms=%d HTTP/1.1\r\nHost: a\r\n\r\n" % ms)
        # The one that asks runs, too.
        self.becomes(lambda: self.admin(PORT, "status", "GET").json["servers"][0]["requests"] >= 2,
                     "a request runs")
        return conn, pid

    def whole(self, *running):
        for conn, pid in running:
            answer = conn.answer()
            self.assertEqual((answer.status, answer.body), (200, b"%d\n%d\n" % (pid, pid)))

    def stops_well(self, *running):
        """systemctl stop, while those run: they are finished before it returns."""
        stop = self.machine.begin("systemctl", "stop", self.service)
        self.whole(*running)
        said = stop.communicate(timeout=60 * SLOW)[0]
        self.assertEqual(stop.returncode, 0, said)
        state = self.machine.show(self.service, "ActiveState", "Result")
        self.assertEqual(state, ["inactive", "success"], self.journal())
        self.assertEqual(self.pids(), [])
        self.assertNotIn("cut by the end of the drain", self.journal())


class Supervised(UnitCase):
    unit = "molt-demo-run"
