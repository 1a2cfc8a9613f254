"""Everything that the shipped units promise, below a real systemd as pid 1 of a small
machine (test/systemd/machine.py); the most important of it is in test/systemd too."""
import os
import signal
import socket
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "systemd"))
import unitcase  # noqa: E402
import load  # noqa: E402
import rawhttp  # noqa: E402
from case import SLOW, main, program  # noqa: E402
from unitcase import DEMO, PORT  # noqa: E402

BAKE = "MOLT_SERVER_BAKETIME=30s"
NO_BAKE = "MOLT_SERVER_BAKETIME=0s"


class Both:
    """What holds with and without a supervisor."""

    def test_20_reloads_under_load_lose_nothing_and_close_nothing(self):
        self.start()
        pids = [self.serving()]
        with load.Running(PORT, "reused", 16, mix="get,post", timeout=30 * SLOW) as kept, \
                load.Running(PORT, "new", 4, timeout=30 * SLOW) as new:
            for i in range(20):
                self.put("21"[i % 2])  # another build each time
                pids.append(self.reload())
            reports = [kept.finish(), new.finish()]
        self.assertEqual([r["failed"] for r in reports], [0, 0], reports)
        self.assertEqual((reports[0]["reconnects"], reports[0]["idle_closes"]), (0, 0), reports)
        self.assertEqual(len(set(pids)), 21, pids)
        self.active(pids[-1] if self.unit == "molt-demo" else None)
        for pid in pids:
            self.assertIn("[%d]: " % pid, self.journal())
        self.stops_well(self.running())

    def test_reexec_and_reload_of_the_manager_beside_reloads(self):
        self.start()
        stop = threading.Event()

        def disturb():
            while not stop.is_set():
                self.machine.run("systemctl", "daemon-reexec")
                self.machine.run("systemctl", "daemon-reload")

        beside = threading.Thread(target=disturb)
        with load.Running(PORT, "reused", 8, timeout=30 * SLOW) as kept:
            beside.start()
            try:
                # systemctl itself cannot wait for the end of a job through a reexec.
                for _ in range(10):
                    self.molt("restart")
                pid = self.serving()
            finally:
                stop.set()
                beside.join()
            report = kept.finish()
        self.assertEqual((report["failed"], report["reconnects"]), (0, 0), report)
        self.active(pid if self.unit == "molt-demo" else None)
        self.active(self.reload() if self.unit == "molt-demo" else None)
        self.stops_well(self.running())

    def test_rubbish_at_the_programs_path(self):
        self.start()
        pid = self.serving()
        self.machine.write(DEMO + ".new", "#!/nowhere/sh\n", 0o755)
        self.machine.ok("mv", DEMO + ".new", DEMO)
        done = self.machine.run("systemctl", "reload", self.service)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.serving(), pid)
        self.active()
        self.put("2")
        self.assertNotEqual(self.reload(), pid)
        self.assertEqual(self.text(PORT, "/build"), "2\n")

    def test_stop_after_a_rollback_by_hand(self):
        first = self.start(env=[BAKE])
        serves = self.serving()
        self.reload()
        new = self.running()
        self.molt("rollback")
        self.assertEqual(self.serving(), serves)
        self.becomes(lambda: self.main_pid() == first, "the first one is the main process again")
        self.stops_well(new, self.running())

    def test_stop_after_a_service_was_taken_back(self):
        first = self.start(env=[BAKE])
        serves = self.serving()
        old = self.running(4000)
        self.machine.kill(self.reload())
        self.becomes(lambda: self.serving() == serves, "it serves again")
        self.becomes(lambda: self.main_pid() == first, "it is the main process again")
        self.stops_well(old)

    def test_stop_with_three_generations(self):
        self.start(env=[NO_BAKE])
        one = self.running(4000)
        self.reload()
        two = self.running(3000)
        self.reload()
        self.stops_well(one, two, self.running())

    def test_a_restart_keeps_new_clients_waiting_in_the_queue(self):
        self.start()
        serves = self.serving()
        self.reload()
        running = self.running()
        stop = self.machine.begin("systemctl", "restart", self.service)
        self.whole(running)
        waiting = []
        for _ in range(20):  # while nobody accepts, or when it serves again
            conn = self.connect(PORT, timeout=60 * SLOW)
            conn.send(b"GET /pid HTTP/1.1\r\nHost: a\r\n\r\n")
            waiting.append(conn)
        self.assertEqual(stop.wait(60 * SLOW), 0)
        for conn in waiting:
            self.assertEqual(conn.answer().status, 200)
        self.assertNotEqual(self.serving(), serves)
        self.active()

    def test_a_crash_loop_ends_neither_the_unit_nor_its_socket(self):
        self.start()
        pid = self.serving()
        for _ in range(6):
            self.machine.kill(pid)
            again = self.serving_pid(PORT, timeout=30 * SLOW)  # it waits in the queue
            self.assertNotEqual(again, pid)
            pid = again
        self.becomes(lambda: self.machine.show(self.service, "ActiveState") == "active", "active")
        self.assertEqual(self.machine.show(self.unit + ".socket", "ActiveState"), "active")
        self.stops_well(self.running())

    def test_a_control_thread_that_hangs_is_noticed(self):
        self.start("WatchdogSec=1", "TimeoutAbortSec=2")
        pid = self.reload()
        self.machine.kill(pid, signal.SIGSTOP)
        self.becomes(lambda: self.try_serving() not in (None, pid), "another one serves")
        self.becomes(lambda: self.machine.show(self.service, "ActiveState") == "active", "active")
        self.stops_well(self.running())

    def test_it_runs_with_the_rights_of_the_unit(self):
        self.start()
        for pid in (self.serving(), self.reload()):
            status = self.machine.ok("cat", "/proc/%d/status" % pid)
            fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            self.assertNotIn("0", fields["Uid"].split())
            self.assertEqual(fields["NoNewPrivs"].strip(), "1")
            mounts = self.machine.ok("cat", "/proc/%d/mounts" % pid).splitlines()
            root = [m.split()[3] for m in mounts if m.split()[1] == "/"][-1]
            self.assertIn("ro", root.split(","))
            self.assertEqual(self.machine.run("stat", "-c", "%a %U", "/run/" + self.unit)
                             .stdout.split()[0], "700")

    def test_limits_of_tasks_and_memory(self):
        missing = {"memory", "pids"} - set(self.machine.controllers())
        if missing:
            self.skipTest("no controller for %s in the control groups of this machine"
                          % " and ".join(sorted(missing)))
        self.start("MemoryMax=64M", "TasksMax=64", env=[BAKE])
        old = self.serving()
        for _ in range(3):
            old = self.reload()
        # A new program that needs more is killed, and nobody else.
        self.machine.write(DEMO + ".new", "#!/bin/sh\nx=a; while :; do x=$x$x; done\n", 0o755)
        self.machine.ok("mv", DEMO + ".new", DEMO)
        self.assertNotEqual(self.machine.run("systemctl", "reload", self.service).returncode, 0)
        self.assertEqual(self.serving(), old)
        self.active()

    def try_serving(self):
        """None: nobody answers within a moment."""
        try:
            conn = rawhttp.Conn(("127.0.0.1", PORT), timeout=1)
        except OSError:
            return None
        try:
            return int(conn.request("GET", "/pid").body)
        except (OSError, rawhttp.Broken):
            return None
        finally:
            conn.close()


class Plain(Both, unitcase.UnitCase):
    def test_each_generation_is_killed_in_and_outside_a_restart(self):
        """Whoever dies: the unit is active, with the main process that serves."""
        first = self.start(env=[BAKE])
        second = self.reload()
        self.machine.kill(second)  # in its bake
        self.becomes(lambda: self.main_pid() == first, "taken back")
        self.active(first)
        third = self.reload()
        self.machine.kill(first)  # the one that stands by
        self.becomes(lambda: self.pids() == [third], "the third one is alone")
        self.active(third)
        fourth = self.reload()
        self.active(fourth)
        self.machine.kill(third)
        self.becomes(lambda: self.pids() == [fourth], "the fourth one is alone")
        self.machine.kill(fourth)  # the only one: systemd starts it again
        self.becomes(lambda: self.try_serving() not in (None, fourth), "it is started again")
        self.becomes(lambda: self.main_pid() == self.serving(), "its main process is known")
        self.active()
        self.assertEqual(self.machine.show(self.service, "NRestarts"), "1")
        self.active(self.reload())
        self.stops_well(self.running())

    def test_reload_to_the_old_program_after_the_new_one_was_taken_back_is_good(self):
        """Even a reload that does nothing must not find a dead main process."""
        first = self.start(env=[BAKE])
        self.machine.kill(self.reload())
        self.becomes(lambda: self.main_pid() == first, "taken back")
        self.systemctl("daemon-reload")
        self.active(first)
        self.active(self.reload())

    def test_the_demo_starts_wherever_it_is_installed(self):
        self.put("demo")
        pid = self.start()
        self.assertEqual(self.serving(), pid)
        self.assertEqual(self.fetch(PORT, "/static/").status, 404)
        self.assertNotEqual(self.reload(), pid)
        self.systemctl("stop", self.service)
        self.machine.write("/usr/local/share/molt-demo/hello.txt", "installed")
        self.start(env=["DEMO_STATIC=/usr/local/share/molt-demo"])
        self.assertEqual(self.text(PORT, "/static/hello.txt"), "installed")


class Supervised(Both, unitcase.Supervised):
    def test_each_generation_is_killed_in_and_outside_a_restart(self):
        supervisor = self.start(env=[BAKE])
        first = self.serving()
        second = self.reload()
        self.machine.kill(second)
        self.becomes(lambda: self.serving() == first, "taken back")
        self.machine.kill(first)
        self.becomes(lambda: self.try_serving() not in (None, first), "started again")
        self.active(supervisor)
        self.reload()
        self.stops_well(self.running())

    def test_the_supervisor_killed(self):
        """systemd ends what is left and starts it anew; clients wait in the queue."""
        supervisor = self.start()
        pid = self.serving()
        self.machine.kill(supervisor)
        self.becomes(lambda: self.try_serving() not in (None, pid), "started again")
        self.becomes(lambda: self.main_pid() not in (0, supervisor), "a new supervisor")
        self.active()
        self.stops_well(self.running())


if __name__ == "__main__":
    main()
