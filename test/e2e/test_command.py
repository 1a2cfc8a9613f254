"""The control socket and the molt command (src/web/control_server.c, src/cli)."""
import json
import os
import shutil
import signal
import socket
import stat
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
from case import eventually, main, program  # noqa: E402
from supervised import SupervisedCase  # noqa: E402

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
        running = self.connect(srv)
        running.send(b"GET /sleep?ms=700 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.2)
        self.assertEqual(self.molt("shutdown").stdout, "The program has ended.\n")
        self.assertFalse(procs.alive(pid))
        self.assertEqual(running.answer().body, b"%d\n%d\n" % (pid, pid))
        self.assertEqual(srv.exit_code(), 0)
        self.assertFalse(os.path.exists(self.control))
        self.molt("status", code=3)

    def test_shutdown_below_a_supervisor(self):
        srv = self.supervised()
        self.molt("shutdown")
        self.assertFalse(procs.alive(srv.proc.pid))

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
        self.assertTrue(written("app.log", "log files reopened"))
        self.assertFalse(written("access.log.1", "/build"))

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
            self.assertIn("controlSocket must be an absolute path", srv.log())

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
                     ["status", "--exe", "/x"], ["restart", "--exe"]):
            done = self.molt(*argv, code=2)
            self.assertTrue(done.stderr, argv)
        self.assertEqual(self.molt("status", code=2, env={"MOLT_CONTROL_SOCKET": None}).stdout, "")

    def test_help_and_version(self):
        self.assertIn("usage: molt", self.molt("--help").stdout)
        self.assertRegex(self.molt("--version").stdout, r"^molt \d")

    def test_nobody_there(self):
        for path in (self.path("absent"), "/" + "x" * 300, "relative"):
            self.molt("status", "--socket", path, code=3)

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

    def test_control_bytes_of_the_program_do_not_reach_the_terminal(self):
        self.start()
        self.write("evil", "#!/bin/sh\nprintf '\\033[31mred\\n' >&2\nexit 1\n", 0o755)
        done = self.molt("restart", "--exe", self.path("evil"), code=1)
        self.assertNotIn("\033", done.stdout + done.stderr)
        self.assertIn("red", done.stderr)


if __name__ == "__main__":
    main()
