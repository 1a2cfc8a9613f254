"""molt upgrade: the supervisor goes on in a new image, with its pid, its listeners
and its children (src/supervisor/upgrade.c)."""
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import load  # noqa: E402
import procs  # noqa: E402
from case import OWN_PIDS, SHORT, SLOW, eventually, main, needs_own_pids, program  # noqa: E402
from supervised import MOLT, SupervisedCase  # noqa: E402


def exe_inode(pid):
    return os.stat("/proc/%d/exe" % pid).st_ino


class Upgrade(SupervisedCase):
    """The supervisor is DIR/molt, so that each test may put another file there."""

    def run_argv(self, *argv):
        if not os.path.exists(self.path("molt")):
            self.put_molt()
        return [self.path("molt"), *super().run_argv(*argv)[1:]]

    def put_molt(self, source=None):
        """A new file at the supervisor's path, renamed into place."""
        shutil.copy(source or program(MOLT), self.path("molt.new"))
        os.rename(self.path("molt.new"), self.path("molt"))

    def killed(self, srv):
        """kill -9 of the only generation; the pid of the one that follows."""
        old = self.serving_pid(srv.port)
        for other in srv.pids():
            if other not in (old, srv.proc.pid):
                self.assertTrue(procs.wait_gone(other, 5 * SLOW))
        since = srv.mark()
        os.kill(old, signal.SIGKILL)
        return srv.wait_listening(1, since=since, not_pid=old)[0].pid

    def refused(self, srv, words):
        """An upgrade that changes nothing; the next crash is served as ever."""
        image, serving = exe_inode(srv.proc.pid), self.serving_pid(srv.port)
        fds = procs.descriptors(srv.proc.pid)
        done = self.molt("upgrade", code=1)
        self.assertIn(words, done.stderr)
        self.assertEqual(exe_inode(srv.proc.pid), image)
        self.assertEqual(self.serving_pid(srv.port), serving)
        self.assertTrue(eventually(lambda: procs.zombies_of(srv.proc.pid) == []))
        self.assertEqual(sorted(procs.descriptors(srv.proc.pid)), sorted(fds))

    # -- what stays

    def test_pid_children_and_listeners_stay_and_the_file_is_the_new_one(self):
        srv = self.supervised("-x", "y z", cwd=self.dir, env={"COLOR": "blue"})
        serving, before = srv.pid, exe_inode(srv.proc.pid)
        with open("/proc/%d/cmdline" % srv.proc.pid, "rb") as f:
            cmdline = f.read()
        self.put_molt()
        said = self.molt("upgrade").stdout
        self.assertIn("The supervisor (pid %d) goes on as a new program" % srv.proc.pid, said)
        self.assertIsNone(srv.proc.poll())
        self.assertNotEqual(exe_inode(srv.proc.pid), before)
        self.assertEqual(exe_inode(srv.proc.pid), os.stat(self.path("molt")).st_ino)
        with open("/proc/%d/cmdline" % srv.proc.pid, "rb") as f:
            self.assertEqual(f.read(), cmdline)
        with open("/proc/%d/comm" % srv.proc.pid) as f:
            self.assertEqual(f.read(), "molt\n")
        self.assertEqual(self.serving_pid(srv), serving)
        for _ in range(2):  # what is started by the new image has what it had before
            self.killed(srv)
            self.assertEqual(self.text(srv, "/argv").splitlines(), [self.path("app"), "-x", "y z"])
            self.assertEqual(self.text(srv, "/cwd").splitlines()[0], self.dir)
            self.assertIn("COLOR=blue\n", self.text(srv, "/environ"))
            self.assertNotIn("MOLT_UPGRADE", self.text(srv, "/child-env"))
            self.assertNotIn("socket:", self.text(srv, "/child-fds"))
        self.assertEqual(self.status(srv)["supervisor_pid"], srv.proc.pid)
        os.kill(srv.proc.pid, signal.SIGTERM)
        self.assertEqual(srv.exit_code(), 0)
        self.nobody(srv)

    def test_ten_under_load_with_restarts_and_crashes_refuse_nobody(self):
        srv = self.supervised(env={"MOLT_SERVER_DUMPROUTERMAP": "false"})
        clients, rounds = 8, 3 if SHORT else 10
        self.molt("upgrade")
        self.restarted(srv)
        self.killed(srv)
        self.assertTrue(eventually(lambda: len(srv.pids()) == 2))
        before = len(procs.descriptors(srv.proc.pid))
        with load.Running(srv.port, "new", clients, mix="get", timeout=20 * SLOW) as run:
            for i in range(rounds):
                self.put_molt()
                self.molt("upgrade")
                self.assertEqual(exe_inode(srv.proc.pid), os.stat(self.path("molt")).st_ino)
                if i % 3 == 1:
                    self.killed(srv)
                elif i % 3 == 2:
                    self.restarted(srv)
            report = run.finish()
        crashes = len([i for i in range(rounds) if i % 3 == 1])
        print("%d upgrades, %d crashes: %d ok, %r" % (rounds, crashes, report["ok"],
                                                      report["by_kind"]), flush=True)
        # Only requests inside a killed process are lost: one a client at most.
        lost = {"fresh_reset", "eof_before_answer", "partial"}
        self.assertEqual(set(report["by_kind"]) - lost, set(), report)
        self.assertLessEqual(report["failed"], clients * crashes, report)
        self.assertIsNone(srv.proc.poll())
        self.assertTrue(eventually(lambda: len(srv.pids()) == 2))
        self.assertTrue(eventually(lambda: procs.zombies_of(srv.proc.pid) == []))
        # The generation that had just ended may have been among them.
        self.assertTrue(eventually(lambda: len(procs.descriptors(srv.proc.pid)) <= before),
                        (before, procs.descriptors(srv.proc.pid)))

    def test_upgrades_alone_lose_nothing_at_all(self):
        srv = self.supervised(env={"MOLT_SERVER_DUMPROUTERMAP": "false"})
        with load.Running(srv.port, "reused", 8, mix="get", timeout=20 * SLOW) as run:
            for _ in range(3):
                self.molt("upgrade")
            report = run.finish()
        self.assertEqual((report["failed"], report["by_kind"]), (0, {}), report)
        self.assertEqual(len(report["pids"]), 1)

    def test_in_the_middle_of_a_bake_the_way_back_stays(self):
        srv = self.supervised(env={"MOLT_SERVER_BAKETIME": "30s"})
        first = srv.pid
        second = self.restarted(srv)
        self.molt("upgrade")
        os.kill(second, signal.SIGKILL)
        procs.wait_gone(second, 5)
        self.assertEqual(self.serving_pid(srv.port), first)
        time.sleep(0.3)
        self.assertEqual(len(srv.pids()), 2, "two owners: %r" % srv.pids())

    def test_the_history_and_the_program_that_served_go_on(self):
        srv = self.supervised()
        self.restarted(srv)
        self.killed(srv)
        self.write("app.new", "rubbish", 0o755)
        os.rename(self.path("app.new"), self.path("app"))
        self.molt("upgrade")
        self.killed(srv)
        self.assertEqual([r["outcome"] for r in self.molt_json("history")],
                         ["crashed", "crashed", "switched"])
        self.assertEqual(self.status(srv)["generation"], 4)

    # -- what is refused

    def test_files_that_cannot_go_on_are_refused(self):
        srv = self.supervised()
        self.write("script", "#!/bin/sh\nexit 0\n", 0o755)
        self.write("rubbish", "rubbish", 0o755)
        for source, words in ((self.path("script"), "is a script"),
                              (self.path("rubbish"), "not a program"),
                              ("/bin/true", "does not start here, or is not built with libmolt"),
                              ("/bin/false", "does not start here, or is not built with libmolt"),
                              (program("test/programs/other_state"), "state of version 1, the new "
                               "one takes version 999")):
            self.put_molt(source)
            os.chmod(self.path("molt"), 0o755)
            self.refused(srv, words)
        os.unlink(self.path("molt"))
        self.refused(srv, "No such file")
        self.put_molt()
        self.molt("upgrade")
        self.killed(srv)

    def test_a_file_that_hangs_is_ended(self):
        srv = self.supervised()
        with open(self.path("hang.c"), "w") as f:
            f.write("#include <unistd.h>\nint main(void) { for (;;) pause(); }\n")
        subprocess.run(["cc", "-o", self.path("hang"), self.path("hang.c")], check=True)
        self.put_molt(self.path("hang"))
        self.refused(srv, "gave no answer in time")
        self.assertEqual(len(srv.pids()), 2)

    def test_two_at_once(self):
        srv = self.supervised()
        both = [subprocess.Popen([program(MOLT), "upgrade", "--socket", self.control],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
        said = [p.communicate(timeout=30 * SLOW)[1].decode() for p in both]
        codes = [p.returncode for p in both]
        self.assertIn(0, codes)
        for code, text in zip(codes, said):
            self.assertTrue(code == 0 or "is being upgraded already" in text, text)
        self.killed(srv)

    def test_without_a_supervisor(self):
        srv = self.app(env={"MOLT_SERVER_CONTROLSOCKET": self.control})
        self.assertIn("there is no supervisor", self.molt("upgrade", code=1).stderr)
        self.assertEqual(self.admin(srv, "upgrade").status, 403)

    def test_a_variable_of_somebody_else_does_no_harm(self):
        self.put("1")
        for value in ("try", "0", "77", "x"):
            done = subprocess.run([self.path("app")], env={"MOLT_UPGRADE": value},
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=20 * SLOW)
            self.assertIn(done.returncode, (1, 126), value)


class PidOne(SupervisedCase):
    """A program that is pid 1 supervises itself: its newest file goes on."""
    def setUp(self):
        super().setUp()
        needs_own_pids()

    def test_a_program_that_supervises_itself(self):
        srv = self.server(OWN_PIDS + [self.put("1")],
                          env={"MOLT_SERVER_CONTROLSOCKET": self.control})
        first, = [p for p in srv.pids() if procs.status_field(p, "PPid") == srv.proc.pid]
        inside = self.serving_pid(srv.port)
        self.put("2")
        self.molt("upgrade")
        self.assertEqual(exe_inode(first), os.stat(self.path("app")).st_ino)
        self.assertEqual(self.serving_pid(srv.port), inside)
        self.assertEqual(self.build(srv), "1")
        self.assertEqual(self.restart_api(srv.port).status, 200)
        self.assertEqual(self.build(srv), "2")
        # The one before would take the service back, for it still drains.
        self.assertTrue(eventually(lambda: len(srv.pids()) == 3))
        for pid in srv.pids():
            if pid not in (srv.proc.pid, first):
                os.kill(pid, signal.SIGKILL)
        self.assertEqual(self.text(srv.port, "/build"), "2\n")
        os.kill(first, signal.SIGTERM)
        self.assertEqual(srv.exit_code(), 0)

    def test_where_memory_must_not_be_executable(self):
        """vm.memfd_noexec: 1, the kernel adds a seal of its own; 2, it refuses any other."""
        for level in (1, 2):
            command = "echo %d >/proc/sys/vm/memfd_noexec && exec %s" % (level, self.put("1"))
            if subprocess.run(OWN_PIDS + ["sh", "-c", command.split(" && ")[0]],
                              stderr=subprocess.DEVNULL).returncode:
                self.skipTest("vm.memfd_noexec cannot be set here")
            srv = self.server(OWN_PIDS + ["sh", "-c", command],
                              env={"MOLT_SERVER_CONTROLSOCKET": self.control, "APP_STATE": "1"})
            self.molt("upgrade")
            self.assertEqual(self.text(srv.port, "/state-give?key=k&text=v1%20warm").split()[0], "0")
            self.assertEqual(self.restart_api(srv.port).status, 200)
            self.assertIn("warm", self.text(srv.port, "/state-take?key=k"))
            srv.stop()


if __name__ == "__main__":
    main()
