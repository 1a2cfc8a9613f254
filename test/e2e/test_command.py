"""The control socket and the molt command (src/web/admin/control_server.c, src/cli)."""
import json
import os
import re
import pty
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
from case import SLOW, SOURCE, eventually, main, program  # noqa: E402
from supervised import MOLT, SupervisedCase  # noqa: E402

LOGS = """
logger:
  path: '%s'
  file: app.log
server:
  address: '127.0.0.1:0'
  controlSocket: '%s'
  logPath: '%s'
  accessLogEnabled: true
  accessLogPattern: access.log
"""


class Command(SupervisedCase):
    def start(self, **kw):
        """DIR/app with the control socket of its configuration."""
        return self.app(env=dict(kw.pop("env", {}), MOLT_SERVER_CONTROLSOCKET=self.control), **kw)

    # -- commands that work

    def test_status(self):
        srv = self.start()
        said = self.molt("status").stdout
        self.assertIn("state       serving, generation 1, pid %d, up 0 s\n" % srv.pid, said)
        self.assertIn("http %s" % srv.listening()[0].address, said)
        state = self.molt_json("status")
        self.assertEqual((state["pid"], state["state"]), (srv.pid, "serving"))
        self.assertEqual([s["name"] for s in state["servers"]], ["default"])

    def test_it_is_the_same_as_the_admin_api(self):
        srv = self.start()
        one = self.fetch(self.control, "/debug/admin/status", headers={"Host": "localhost"})
        two = self.admin(srv, "status", "GET")
        self.assertEqual(set(json.loads(one.body)), set(two.json))

    def test_restart_tells_the_outcome(self):
        srv = self.start()
        old = srv.pid
        said = self.molt("restart").stdout
        new = self.serving_pid(srv)
        self.assertNotEqual(new, old)
        self.assertIn("Generation 2 (pid %d) serves, after " % new, said)
        answer = self.molt_json("restart")
        self.assertEqual(answer["receipt"]["outcome"], "switched")
        self.assertEqual(answer["receipt"]["successor_pid"], self.serving_pid(srv))

    def test_restart_to_another_program_anywhere(self):
        srv = self.start()
        other = os.path.realpath(self.directory())
        shutil.copy(program("test/programs/app2"), other + "/app2")
        self.molt("restart", "--exe", other + "/app2")
        self.assertEqual(self.build(srv), "2")
        here = os.getcwd()
        os.chdir(self.dir)  # a relative path is one of the caller's directory
        self.addCleanup(os.chdir, here)
        self.molt("restart", "--exe", "./app")
        self.assertEqual(self.build(srv), "1")

    # -- waiting

    def test_wait_is_also_for_the_end_of_the_old_generation(self):
        srv = self.start()
        old = srv.pid
        running = self.held(srv)
        self.molt("restart")
        self.assertTrue(procs.alive(old))
        running.answer()
        self.assertTrue(procs.wait_gone(old, 20 * SLOW))
        running = self.held(srv, conn=running.conn)
        before = self.serving_pid(srv)
        waiting = subprocess.Popen(
            [program(MOLT), "restart", "--wait", "--socket", self.control],
            stdout=subprocess.PIPE, text=True)
        self.assertTrue(eventually(lambda: self.serving_pid(srv) != before, 30))
        self.assertIsNone(waiting.poll())
        running.release()
        said = waiting.communicate(timeout=60 * SLOW)[0].splitlines()
        self.assertEqual(waiting.returncode, 0)
        self.assertRegex(said[0], r"^Generation 3 \(pid \d+\) serves, after ")
        self.assertEqual(said[1:], ["The generation before has ended."])
        self.assertFalse(procs.alive(before))
        self.assertEqual(running.conn.answer().status, 200)
        answer = self.molt_json("restart", "--wait")
        self.assertEqual((answer["ok"], answer["receipt"]["outcome"]), (True, "switched"))
        self.assertIn("drained", answer["receipt"])

    def test_wait_is_for_the_process_too_which_may_have_more_to_do_when_it_has_drained(self):
        may_end = self.dir + "/may_end"
        srv = self.start(env={"APP_ENDS_WHEN": may_end})
        old = srv.pid
        waiting = subprocess.Popen([program(MOLT), "restart", "--wait", "--socket", self.control],
                                   stdout=subprocess.PIPE, text=True)
        self.assertTrue(eventually(lambda: self.serving_pid(srv) != old))
        self.assertTrue(eventually(lambda: "drained" in self.molt_json("history")[0]))
        time.sleep(0.5)  # time enough to be wrong
        self.assertIsNone(waiting.poll())
        open(may_end, "w").close()
        said = waiting.communicate(timeout=20)[0].splitlines()
        self.assertFalse(procs.alive(old))
        self.assertEqual((waiting.returncode, said[1:]), (0, ["The generation before has ended."]))

    def test_pids_of_another_namespace_are_not_waited_for(self):
        """There they are strangers' here: pid 1 of the other one never ends, say."""
        inside = ["unshare", "--pid", "--fork", "--mount-proc"]
        if subprocess.run([*inside, "true"], stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("no pid namespaces here (unshare --pid)")
        srv = self.start()
        old = srv.pid
        self.molt("restart", "--wait", before=inside)
        self.assertTrue(eventually(lambda: not procs.alive(old)))
        last = self.serving_pid(srv)
        self.assertEqual(self.molt("shutdown", before=inside).stdout,
                         "The program ends; from this pid namespace its end cannot be "
                         "awaited.\n")
        self.assertTrue(eventually(lambda: not procs.alive(last)))

    def test_wait_tells_that_the_new_program_was_taken_back(self):
        srv = self.start(env={"MOLT_SERVER_BAKETIME": "30s"})
        old = srv.pid
        for options, code in (([], 5), (["--json"], 5)):
            waiting = subprocess.Popen(
                [program(MOLT), "restart", "--wait", "--socket", self.control, *options],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.assertTrue(eventually(lambda: self.serving_pid(srv) != old))
            new = self.serving_pid(srv)
            time.sleep(0.3)  # for a wrong one, to end
            self.assertIsNone(waiting.poll())
            os.kill(new, signal.SIGKILL)
            out, err = waiting.communicate(timeout=20 * SLOW)
            self.assertEqual(waiting.returncode, code, (out, err))
            self.assertIn("killed by signal 9", out if options else err)
            if options:
                answer = json.loads(out)
                self.assertEqual((answer["ok"], answer["receipt"]["outcome"]),
                                 (False, "taken back"))
        self.assertEqual(self.serving_pid(srv), old)

    def test_long_work_is_shown_on_a_terminal_and_nowhere_else(self):
        srv = self.start()
        script = self.write("slow", "#!/bin/sh\nsleep 1.2\nexec %s\n" % self.path("app"), 0o755)
        shown = self.on_terminal("restart", "--exe", script)
        self.assertIn("INIT: the new program starts up, 1 s", shown)
        self.assertTrue(shown.rstrip().endswith("finishes its requests and ends."), shown)
        self.assertNotIn("\033", self.molt("restart", "--exe", script).stderr)
        self.assertEqual(self.molt("restart", "--exe", script).stderr, "")
        running = self.held(srv)

        def release():
            srv.wait_log("generation 4 drains", timeout=60)
            time.sleep(0.5)  # to be seen on the terminal
            running.release()
        releases = threading.Thread(target=release)
        releases.start()
        self.addCleanup(releases.join)
        shown = self.on_terminal("restart", "--exe", self.path("app"), "--wait")
        self.assertRegex(shown, "generation 4 finishes its requests, 0 s")
        self.assertEqual(running.answer().status, 200)

    def on_terminal(self, *argv):
        """Runs the command in a terminal of its own; everything that it wrote there."""
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(program(MOLT), [MOLT, *argv, "--socket", self.control])
        shown = b""
        while True:
            try:
                part = os.read(fd, 4096)
            except OSError:  # nobody has it open any more
                break
            if not part:
                break
            shown += part
        os.close(fd)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, shown)
        return shown.decode()

    def test_the_server_gone_in_the_middle_of_a_restart(self):
        srv = self.start()
        bad = self.put_bad("never_ready")
        waiting = subprocess.Popen(
            [program(MOLT), "restart", "--exe", bad, "--socket", self.control],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertTrue(eventually(lambda: self.molt_json("status")["restart"]))
        os.kill(srv.pid, signal.SIGKILL)
        for pid in srv.pids():
            os.kill(pid, signal.SIGKILL)
        _, err = waiting.communicate(timeout=20 * SLOW)
        self.assertEqual(waiting.returncode, 3, err)
        self.assertIn("what came of it is not known", err)

    def test_status_tells_the_phase_of_a_running_restart(self):
        self.start(env={"MOLT_SERVER_READYTIMEOUT": "1s"})
        self.assertIsNone(self.molt_json("status")["restart"])
        waiting = subprocess.Popen([program(MOLT), "restart", "--exe", self.put_bad("never_ready"),
                                    "--socket", self.control], stderr=subprocess.DEVNULL)
        now = eventually(lambda: (self.molt_json("status")["restart"] or {}).get("phase") == "INIT")
        self.assertTrue(now)
        self.assertEqual(waiting.wait(20 * SLOW), 1)
        self.assertIsNone(self.molt_json("status")["restart"])

    def test_a_failed_restart_tells_why_with_the_last_lines(self):
        srv = self.start()
        bad = self.put_bad("exit_later")
        done = self.molt("restart", "--exe", bad, code=1)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, "molt: it exited with status")
        answer = self.molt_json("restart", "--exe", self.path("absent"), code=1)
        self.assertFalse(answer["ok"])
        self.assertEqual(answer["error"], "ENOENT")
        self.assertEqual(self.molt_json("status")["pid"], srv.pid)

    def test_a_restart_that_is_not_allowed(self):
        srv = self.start(env={"MOLT_SERVER_GRACEFUL": "false"})
        self.assertIn("graceful", self.molt("restart", code=1).stderr)
        self.assertEqual(self.serving_pid(srv), srv.pid)

    def test_history(self):
        self.start()
        self.assertEqual(self.molt("history").stdout, "No restart yet.\n")
        self.molt("restart")
        self.molt("restart", "--exe", self.put_bad("exit_later"), code=1)
        lines = self.molt("history").stdout.splitlines()
        self.assertIn("  failed  generation 2 to 3  ", lines[0])
        self.assertIn("it exited with status", lines[1])
        self.assertIn("  switched  generation 1 to 2  ", lines[2])
        self.assertEqual([r["outcome"] for r in self.molt_json("history")], ["failed", "switched"])

    def test_shutdown_waits_for_the_end(self):
        srv = self.start()
        pid = srv.pid
        running = self.held(srv)
        waiting = subprocess.Popen([program(MOLT), "shutdown", "--socket", self.control],
                                   stdout=subprocess.PIPE, text=True)
        srv.wait_log("server shutting down")
        self.assertIsNone(waiting.poll())
        running.release()
        self.assertEqual(waiting.communicate(timeout=60 * SLOW)[0], "The program has ended.\n")
        self.assertFalse(procs.alive(pid))
        self.assertEqual(running.conn.answer().body, b"%d\n%d\n" % (pid, pid))
        self.assertEqual(srv.exit_code(), 0)
        self.assertFalse(os.path.exists(self.control))
        self.molt("status", code=3)

    def test_shutdown_below_a_supervisor(self):
        srv = self.supervised()
        self.molt("shutdown")
        self.assertFalse(procs.alive(srv.proc.pid))

    def test_the_socket_of_molt_run_is_the_one_whatever_the_configuration_says(self):
        other = self.path("ctl/other")
        srv = self.supervised(env={"MOLT_SERVER_CONTROLSOCKET": other})
        for _ in range(2):
            self.assertEqual(self.molt_json("status")["state"], "serving")
            self.molt("status", "--socket", other, code=3)
            self.molt("restart")
        srv.wait_log("as molt run was told; controlSocket: %s is not used" % re.escape(other))

    def test_history_keeps_what_happened_before_a_rollback_and_its_numbers_are_used_once(self):
        srv = self.start(env={"MOLT_SERVER_BAKETIME": "30s"})
        self.molt("restart")
        self.molt("restart", "--exe", self.put_bad("exit_later"), code=1)
        self.molt("restart", "--exe", self.put_bad("crash"), code=1)
        self.molt("rollback")
        seen = [(r["outcome"], r["successor_generation"]) for r in self.molt_json("history")]
        self.assertEqual(sorted(seen), [("failed", 3), ("failed", 4), ("rolled back", 2)])
        self.molt("restart")
        self.assertEqual(self.molt_json("status")["generation"], 5)
        srv.wait_log(r"admin: failed: POST /debug/admin/restart from")
        srv.wait_log(r"^[^\[]*: generation 2 is taken back: asked for by ")

    def test_numbers_of_generations_are_used_once_below_a_supervisor_too(self):
        srv = self.supervised(env={"MOLT_SERVER_BAKETIME": "30s"})
        first = self.serving_pid(srv.port)
        self.molt("restart")
        os.kill(self.serving_pid(srv.port), signal.SIGKILL)
        self.assertTrue(eventually(lambda: self.molt_json("history")[0]["outcome"] == "taken back"))
        os.kill(first, signal.SIGKILL)
        self.assertTrue(eventually(lambda: self.molt_json("status")["pid"] != first))
        self.assertEqual(self.molt_json("status")["generation"], 3)

    def test_shutdown_with_wait_is_for_every_generation(self):
        """The one that drains needs longer than the one that serves, which has gone long
        before; so the way back, and its supervisor."""
        for start in (self.start, self.supervised):
            srv = start(env={"MOLT_SERVER_BAKETIME": "30s", "MOLT_SERVER_CONTROLSOCKET": self.control})
            old = self.serving_pid(srv.port)
            running = self.connect(srv.port)
            running.send(b"GET /sleep?ms=1500 HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertTrue(eventually(
                lambda: self.molt_json("status")["servers"][0]["requests"] >= 1))
            self.molt("restart")
            new = self.serving_pid(srv.port)
            self.assertEqual(self.molt("shutdown", "--wait").stdout, "The program has ended.\n")
            for pid in (old, new, srv.proc.pid):
                self.assertFalse(procs.alive(pid))
            self.assertEqual(running.answer().body, b"%d\n%d\n" % (old, old))
            srv.stop()

    def test_shutdown_with_wait_is_for_one_that_was_rolled_back(self):
        srv = self.start(env={"MOLT_SERVER_BAKETIME": "30s"})
        old = srv.pid
        self.molt("restart")
        new = self.serving_pid(srv)
        running = self.connect(srv)
        running.send(b"GET /sleep?ms=1500 HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertTrue(eventually(
            lambda: self.molt_json("status")["servers"][0]["requests"] >= 1))
        self.molt("rollback")
        self.assertEqual(self.serving_pid(srv), old)
        self.molt("shutdown", "--wait")
        self.assertFalse(procs.alive(old) or procs.alive(new))
        self.assertEqual(running.answer().body, b"%d\n%d\n" % (new, new))

    def test_shutdown_with_wait_in_the_middle_of_a_restart(self):
        srv = self.start()
        bad = self.put_bad("never_ready")
        asked = self.connect(srv)
        asked.send(b"POST /debug/admin/restart?newExeFilePath=%s HTTP/1.1\r\nHost: localhost\r\n"
                   b"Content-Length: 0\r\n\r\n" % bad.encode())
        self.assertTrue(eventually(lambda: self.molt_json("status")["successor_pid"]))
        self.molt("shutdown", "--wait")
        self.assertEqual(srv.pids(), [])

    def test_reopen_after_a_rotation(self):
        logs = self.path("logs")
        os.mkdir(logs)
        self.write("c.yaml", LOGS % (logs, self.control, logs))
        srv = self.app(self.path("c.yaml"), address=None)
        self.text(srv, "/pid")
        for name in ("app.log", "access.log"):
            os.rename(os.path.join(logs, name), os.path.join(logs, name + ".1"))
        self.assertEqual(self.molt("reopen").stdout, "The log files are open anew.\n")
        self.text(srv, "/build")

        def written(name, text):
            try:
                with open(os.path.join(logs, name)) as f:
                    return text in f.read()
            except FileNotFoundError:
                return False
        self.assertTrue(eventually(lambda: written("access.log", "/build")))
        self.assertTrue(eventually(lambda: written("app.log", "log files reopened")))
        self.assertFalse(written("access.log.1", "/build"))

    def test_a_programs_escape_sequences_do_not_reach_the_terminal(self):
        # ESC, and CSI as C1: in UTF-8, and alone.
        evil = "\\u001b[31m\u009b31m\x7f\u202eoops"
        answers = {
            "restart": b'{"ok":true,"message":"%s"}' % evil.encode(),
            "rollback": b'{"ok":false,"reason":"%s","receipt":{"last_lines":["%s"]}}'
                        % (evil.encode(), evil.encode()),
            "status": b'{"state":"%s","exe":"%s","receipts":[{"outcome":"%s","reason":"%s"}],'
                      b'"rollback":{"exe":"%s"},"servers":[{"name":"%s"}]}'
                      % (6 * (evil.encode(),)),
        }
        path = os.path.join(self.dir, "fake")
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path)
            s.listen()

            def serve():
                while True:
                    try:
                        conn, _ = s.accept()
                    except OSError:
                        return
                    with conn:
                        action = conn.recv(4096).split(b" ")[1].rpartition(b"/")[2].decode()
                        body = answers[action]
                        conn.sendall(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n"
                                     b"Connection: close\r\n\r\n"
                                     % (502 if action == "rollback" else 200, len(body)) + body)

            server = threading.Thread(target=serve)
            server.start()
            try:
                for command in ("restart", "rollback", "status", "history"):
                    for more in ([], ["--json"]):
                        done = subprocess.run(
                            [program(MOLT), command, "--socket", path, *more],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=10 * SLOW)
                        self.assertIn(b"oops", done.stdout, command)
                        self.assertNotRegex(done.stdout.decode("utf-8"),
                                            "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", command)
            finally:
                s.shutdown(socket.SHUT_RDWR)
                server.join()

    # -- the socket

    def test_the_socket_moves_with_restarts_and_nobody_is_refused(self):
        srv = self.start()
        inode = os.stat(self.control).st_ino
        failures, stop = [], threading.Event()

        def ask():
            while not stop.is_set():
                done = self.molt("status", code=None)
                if done.returncode:
                    failures.append(done)
        asker = threading.Thread(target=ask)
        asker.start()
        for _ in range(5):
            srv.restart()
        stop.set()
        asker.join()
        self.assertEqual(failures, [])
        self.assertEqual(os.stat(self.control).st_ino, inode)

    def test_nobody_else_can_reach_it(self):
        self.start()
        mode = os.stat(self.control).st_mode
        self.assertEqual((stat.S_ISSOCK(mode), stat.S_IMODE(mode)), (True, 0o600))
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(self.control)).st_mode), 0o700)

    def test_the_kernels_word_counts_even_when_the_file_is_open(self):
        if os.getuid() != 0:
            self.skipTest("needs root to become another user")
        srv = self.start()
        for path in (self.control, os.path.dirname(self.control), self.dir):
            os.chmod(path, 0o777)
        pid = os.fork()
        if pid == 0:  # 9: an answer came; 0: the connection was closed
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(self.control)
                    s.sendall(b"POST /debug/admin/shutdown HTTP/1.1\r\nHost: localhost\r\n"
                              b"Content-Length: 0\r\n\r\n")
                    os._exit(9 if s.recv(9) else 0)
            except (BrokenPipeError, ConnectionResetError):
                os._exit(0)
            finally:
                os._exit(1)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        self.assertEqual(self.serving_pid(srv), srv.pid)

    def test_a_directory_that_others_may_write_is_refused(self):
        open_dir = self.path("open")
        os.mkdir(open_dir)
        os.chmod(open_dir, 0o777)
        self.put("1")
        srv = self.spawned(self.path("app"),
                           env={"MOLT_SERVER_CONTROLSOCKET": open_dir + "/control"})
        self.assertEqual(srv.exit_code(), 1)
        self.assertIn("nobody else may write there", srv.log())

    def test_a_path_that_cannot_be(self):
        self.put("1")
        for path in ("relative", "/" + "x" * 200):
            srv = self.spawned(self.path("app"), env={"MOLT_SERVER_CONTROLSOCKET": path})
            self.assertEqual(srv.exit_code(), 1)
            self.assertRegex(srv.log(), "MOLT_SERVER_CONTROLSOCKET=.*: must be an absolute path")

    def test_a_program_that_ends_leaves_no_socket_and_the_last_one_is_replaced(self):
        srv = self.start()
        os.kill(srv.pid, signal.SIGKILL)
        srv.exit_code()
        self.molt("status", code=3)
        self.start()  # a stale file is in the way
        self.molt("status")

    def test_settings_of_the_file_are_not_the_control_sockets(self):
        self.write("c.yaml", "server:\n  address: '127.0.0.1:0'\n  controlSocket: '%s'\n"
                   "  adminToken: 'a-secret-of-the-page'\n  serverRoot: '%s'\n  exeDirs: '/nowhere'\n"
                   % (self.control, self.dir))
        self.app(self.path("c.yaml"), address=None)
        self.assertEqual(self.fetch(self.control, "/c.yaml").status, 404)
        self.molt("restart", "--exe", self.path("app"))

    def test_a_server_alone_may_stop_and_the_program_ends_with_the_last(self):
        srv = self.start()
        self.text(srv, "/shutdown")
        self.assertEqual(srv.exit_code(), 0)

    # -- the command line

    def test_usage_errors(self):
        for argv in ([], ["explode"], ["status", "more"], ["status", "--wrong"], ["run"],
                     ["status", "--exe", "/x"], ["restart", "--exe"], ["status", "--wait"],
                     ["upgrade", "now"], ["shutdown", "--exe", "/x"], ["prove"],
                     ["prove", "--header", "no colon", "/bin/true"],
                     ["prove", "--header", "Host: a", "/bin/true"],
                     ["prove", "--header", "A: b\r\nC: d", "/bin/true"],
                     ["help", "explode"], ["restart", "--socket", "relative"],
                     ["status", "--socket", "/" + "x" * 200]):
            done = self.molt(*argv, code=2)
            self.assertTrue(done.stderr, argv)
        self.assertEqual(self.molt("status", code=2, env={"MOLT_CONTROL_SOCKET": None}).stdout, "")

    def test_help_and_version(self):
        self.assertIn("usage: molt", self.molt("--help").stdout)
        for argv in (["--version"], ["-V"]):
            self.assertRegex(self.molt(*argv).stdout, r"^molt \d")
        commands = ("run", "status", "restart", "rollback", "shutdown", "reopen", "upgrade",
                    "history", "prove")
        for argv in (["-h"], ["help"]):
            for command in commands:
                self.assertIn("  %s " % command, self.molt(*argv).stdout)
        for command in commands:
            wanted = "usage: molt " + command
            for argv in ([command, "--help"], [command, "-h"], ["help", command]):
                self.assertIn(wanted, self.molt(*argv, env={"MOLT_CONTROL_SOCKET": None}).stdout)
        for line in self.molt("prove", "--help").stdout.split("\n"):
            self.assertLess(len(line), 100)

    def test_what_went_wrong_is_said_in_a_sentence(self):
        srv = self.start()
        os.kill(srv.pid, signal.SIGKILL)
        srv.exit_code()
        for path, code, words in ((self.path("absent"), 3, "does the program run"),
                                  (self.control, 3, "nobody listens there; the program has ended"),
                                  ("relative", 2, "must be an absolute path"),
                                  ("/" + "x" * 300, 2, "of at most 95 bytes")):
            done = self.molt("status", "--socket", path, code=code)
            self.assertIn(words, done.stderr)
            self.assertEqual(done.stdout, "")

    def test_permission_denied_is_an_exit_code_of_its_own(self):
        if os.getuid() != 0:
            self.skipTest("needs root to become another user")
        self.start()
        os.chmod(self.dir, 0o755)
        molt = shutil.copy(program(MOLT), self.path("molt"))  # where everybody can read it
        done = subprocess.run([molt, "status", "--socket", self.control], user=65534,
                              group=65534, extra_groups=[], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=20 * SLOW)
        self.assertEqual(done.returncode, 4, done)
        self.assertIn("permission denied; it is for the user of the program and for root",
                      done.stderr)

    def commands(self):
        return re.findall(r"(?m)^  (\w+) ", self.molt("--help").stdout)

    def test_help_is_asked_for_or_the_answer_to_a_mistake(self):
        """Asked: standard output and 0; a mistake: standard error and 2."""
        for command in self.commands():
            done = self.molt(command, "--help", env={"MOLT_CONTROL_SOCKET": None})
            self.assertEqual(done.stderr, "")
            self.assertEqual(done.stdout, self.molt("help", command).stdout)
            self.assertIn("\nExit codes:\n", done.stdout)
            self.assertRegex(done.stdout, r"(?m)^  --help ")
            done = self.molt(command, "--no-such", code=2)
            self.assertEqual(done.stdout, "")
            self.assertIn("--no-such", done.stderr)
        for argv, words in ((["restat"], "did you mean restart?"), (["hlep"], "did you mean help?"),
                            (["help", "shutdwon"], "did you mean shutdown?"),
                            (["x" * 100000], "try molt --help"), (["zzz"], "try molt --help"),
                            (["status", "-x"], "no such option: -x; try molt status --help"),
                            (["run", "--json", "/bin/true"], "run: no such option: --json"),
                            (["restart", "--exe"], "a value is missing behind --exe")):
            done = self.molt(*argv, code=2)
            self.assertIn(words, done.stderr)
            self.assertEqual(done.stdout, "")

    def test_the_manual_has_each_command_and_option_with_its_exit_codes(self):
        with open(os.path.join(SOURCE, "man", "molt.1")) as f:
            text = f.read().replace("\\-", "-")
        common, prove = text[text.index(".SH OPTIONS\n"):].split(".SH \"OPTIONS OF PROVE\"")
        synopsis = text[text.index(".SH SYNOPSIS"):text.index(".SH DESCRIPTION")]
        codes = text[text.index('.SH "EXIT STATUS"'):text.index(".SH ENVIRONMENT")]
        for command in self.commands():
            said = self.molt(command, "--help").stdout
            self.assertRegex(synopsis, r"\b%s\b" % command)
            if command != "help":
                self.assertIn("\n.TP\n.B %s\n" % command, text)
            for option in re.findall(r"(?m)^  --([\w-]+)", said):
                where = common if command != "prove" or option == "help" else prove
                self.assertRegex(where, r"(?m)^\.\w+ (?:.* )?--%s\b" % option, command)
            for code in re.findall(r"(?m)^  (\d)  ", said):
                self.assertIn("\n.B %s\n" % code, codes)

    COMPLETIONS = {"bash": "packaging/bash-completion/molt", "zsh": "packaging/zsh/_molt"}

    def test_the_completions_are_those_of_the_command(self):
        for shell, path in self.COMPLETIONS.items():
            with open(os.path.join(SOURCE, path)) as f:
                self.assertEqual(f.read(), self.molt("completion", shell).stdout,
                                 "molt completion %s >%s" % (shell, path))
        self.molt("completion", code=2)
        self.molt("completion", "fish", code=2)

    def test_completion_for_bash(self):
        """What bash offers for the last of the words, in a directory with one file."""
        file = os.path.join(SOURCE, self.COMPLETIONS["bash"])
        place = self.directory()
        open(os.path.join(place, "some-file"), "w").close()
        script = """. %s; [[ $(complete -p molt) == *"-F _molt molt" ]] || exit 9
                    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _molt
                    printf '%%s\n' "${COMPREPLY[@]}" """ % file
        for words, wanted in ((["re"], {"restart", "reopen"}),
                              (["restart", "--"], {"--socket", "--json", "--exe", "--wait", "--help"}),
                              (["shutdown", "--w"], {"--wait"}), (["help", "up"], {"upgrade"}),
                              (["prove", "--he"], {"--header", "--help"}),
                              (["prove", "--control", "so"], {"some-file"}),
                              (["prove", "--path", "so"], set()),
                              (["run", "--socket", "so"], {"some-file"}),
                              (["run", "--socket", "a", "--"], {"--socket", "--help", "--"}),
                              (["run", "--", "app", "so"], {"some-file"}),
                              (["run", "app", "--so"], set()),
                              (["status", "--j"], {"--json"}), (["comp"], set())):
            done = subprocess.run(["bash", "-c", script, "bash", "molt"] + words, cwd=place,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  timeout=20 * SLOW)
            self.assertEqual((done.returncode, set(done.stdout.split()), done.stderr),
                             (0, wanted, ""), words)
        for words in (["run", "--", "tru"], ["prove", "tru"]):
            done = subprocess.run(["bash", "-c", script, "bash", "molt"] + words,
                                  stdout=subprocess.PIPE, text=True, timeout=20 * SLOW)
            self.assertIn("true", done.stdout.split())

    @unittest.skipUnless(shutil.which("zsh"), "no zsh here")
    def test_completion_for_zsh(self):
        """It can be read, and compinit takes it for molt."""
        file = os.path.join(SOURCE, self.COMPLETIONS["zsh"])
        script = """fpath=(%s $fpath); autoload -Uz compinit; compinit -D -u
                    print -r -- $_comps[molt]; autoload +X _molt && functions _molt >/dev/null
                    """ % os.path.dirname(file)
        for argv, said in ((["zsh", "-n", file], ""), (["zsh", "-f", "-c", script], "_molt\n")):
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=120 * SLOW)
            self.assertEqual((done.returncode, done.stdout), (0, said))

    def test_nobody_there(self):
        self.molt("status", "--socket", self.path("absent"), code=3)

    def test_an_answer_that_breaks_off_or_is_none(self):
        path = self.path("fake")
        for text in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", b"nonsense\r\n\r\n",
                     b"HTTP/1.1 200 OK\r\n\r\n{}"):
            with socket.socket(socket.AF_UNIX) as s:
                s.bind(path)
                s.listen()

                def serve():
                    conn, _ = s.accept()
                    conn.recv(4096)
                    conn.sendall(text)
                    conn.close()
                server = threading.Thread(target=serve)
                server.start()
                done = self.molt("status", "--socket", path, code=3)
                self.assertIn("broke off", done.stderr)
                server.join()
            os.unlink(path)

    def test_wait_goes_on_when_an_ending_generation_takes_a_question_along(self):
        receipt = {"id": "1.1.1", "generation": 1, "outcome": "switched"}
        there = {"generation": 2, "draining_generation": None, "receipts": [dict(receipt, drained=0)]}
        answers = [{"ok": True, "outcome": "switched", "message": "m", "receipt": receipt}, None, there]
        path = self.path("fake")
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path)
            s.listen()

            def serve():
                for body in answers:
                    conn, _ = s.accept()
                    with conn:
                        conn.recv(4096)
                        text = json.dumps(body)
                        if body:
                            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
                                         % (len(text), text.encode()))
            server = threading.Thread(target=serve)
            server.start()
            self.assertIn("has ended", self.molt("restart", "--wait", "--socket", path).stdout)
            server.join()

    def test_control_bytes_of_the_program_do_not_reach_the_terminal(self):
        self.start()
        self.write("evil", "#!/bin/sh\nprintf '\\033[31mred\\n' >&2\nexit 1\n", 0o755)
        done = self.molt("restart", "--exe", self.path("evil"), code=1)
        self.assertNotIn("\033", done.stdout + done.stderr)
        self.assertIn("red", done.stderr)


if __name__ == "__main__":
    main()
