"""Configuration: the file, the environment over it, and what is said about
mistakes in either.  The demo is the program."""
import os
import pwd
import re
import shutil
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import Case, eventually, main, program  # noqa: E402


class Config(Case):
    def file(self, text):
        path = os.path.join(self.directory(), "demo.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def demo(self, text, env=None, **kw):
        kw.setdefault("address", None)
        return self.server([program("examples/demo"), self.file(text)], env=env, **kw)

    def refused(self, text, line, *words, env=None):
        """The start fails with status 1 and a log line with file:line."""
        path = self.file(text)
        srv = self.spawned([program("examples/demo"), path], env=env, address=None)
        self.assertEqual(srv.exit_code(), 1, srv.log())
        log = srv.log()
        if line:
            self.assertIn("%s:%d" % (path, line), log)
        for word in words:
            self.assertRegex(log, word)
        self.assertNotIn("listening on", log)


class File(Config):
    def test_the_file_says_where_to_listen(self):
        srv = self.demo("server:\n  address: '127.0.0.1:0'\n")
        self.assertEqual(self.text(srv), "Hello!\n")

    def test_goframes_template_keys_are_taken(self):
        srv = self.demo("""
server:
  address: "127.0.0.1:0"
  readTimeout: "60s"
  writeTimeout: "0"
  idleTimeout: "60s"
  maxHeaderBytes: "10240"
  keepAlive: true
  serverAgent: "GoFrame HTTP Server"
  indexFiles: ["index.html", "index.htm"]
  indexFolder: false
  logPath: ""
  logStdout: true
  errorLogEnabled: true
  errorLogPattern: "error-{Ymd}.log"
  accessLogEnabled: false
  accessLogPattern: "access-{Ymd}.log"
  graceful: false
  gracefulTimeout: 2
  gracefulShutdownTimeout: 5
  clientMaxBodySize: 8388608
  dumpRouterMap: true
logger:
  level: "info"
  stdout: true
""")
        self.assertEqual(self.fetch(srv).get("server"), "GoFrame HTTP Server")

    def test_names_of_keys_are_read_in_any_case_and_without_dashes(self):
        srv = self.demo("server:\n  Address: '127.0.0.1:0'\n  server-agent: 'X'\n"
                        "  KEEP_ALIVE: false\n")
        answer = self.fetch(srv)
        self.assertEqual(answer.get("server"), "X")
        self.assertTrue(answer.closes)

    def test_sizes_and_durations_have_units(self):
        srv = self.demo("server:\n  address: '127.0.0.1:0'\n  clientMaxBodySize: '1k'\n"
                        "  maxHeaderBytes: 2k\n  idleTimeout: 1m\n  gracefulTimeout: 2\n")
        self.assertEqual(self.fetch(srv, "/echo", "POST", body=b"a" * 1025).status, 413)

    def test_several_servers_in_one_file(self):
        path = self.file("server:\n  s1:\n    address: '127.0.0.1:0'\n    serverAgent: one\n"
                         "  s2:\n    address: '127.0.0.2:0'\n    serverAgent: two\n"
                         "  address: '127.0.0.3:0'\n")
        srv = self.server([program("examples/demo"), path], address=None)
        self.assertTrue(srv.listening()[0].address.startswith("127.0.0.3:"), srv.listening())

    def test_an_access_log_line_names_the_request(self):
        directory = self.directory()
        srv = self.demo("server:\n  address: '127.0.0.1:0'\n  logPath: '%s'\n"
                        "  accessLogEnabled: true\n  accessLogPattern: access.log\n" % directory)
        self.fetch(srv, "/pid?x=1", headers={"User-Agent": 'me "x"\x7f'.replace("\x7f", "")})
        path = os.path.join(directory, "access.log")
        from case import eventually

        def written():
            return os.path.exists(path) and "/pid?x=1" in open(path, encoding="utf-8").read()

        self.assertTrue(eventually(written), os.listdir(directory))
        with open(path, encoding="utf-8") as f:
            line = f.read()
        self.assertRegex(line, r"\b200\b")
        self.assertIn("127.0.0.1", line)
        self.assertNotIn('me "x"', line)  # the quote is escaped

    def test_the_log_may_go_to_a_file(self):
        directory = self.directory()
        srv = self.demo("server:\n  address: '127.0.0.1:0'\nlogger:\n  path: '%s'\n"
                        "  file: molt.log\n" % directory)
        with open(os.path.join(directory, "molt.log"), encoding="utf-8") as f:
            seen = []  # a line is written soon after what it tells
            self.assertTrue(eventually(
                lambda: seen.append(f.read()) or "http server started listening on" in
                "".join(seen)), seen)
        self.assertEqual(self.text(srv), "Hello!\n")


class Mistakes(Config):
    def test_an_unknown_key_is_named_with_file_and_line(self):
        self.refused("server:\n  address: ':0'\n  adress: ':1'\n", 3, "adress")

    def test_a_path_of_a_socket_that_cannot_be_is_named_with_file_and_line(self):
        for key in ("controlSocket", "takeover"):
            for path in ("run/app.sock", "/" + "x" * 200):
                self.refused("server:\n  graceful: true\n  %s: %s\n" % (key, path), 3,
                             key + " must be an absolute path of at most 95 bytes")

    def test_other_sections_belong_to_the_program(self):
        srv = self.demo("app:\n  title: mine\n  colours: [red, blue]\nserver:\n"
                        "  address: '127.0.0.1:0'\n")
        self.assertEqual(self.text(srv), "Hello!\n")

    def test_a_section_called_almost_like_ours_gives_a_hint(self):
        for name, ours in (("servers", "server"), ("Server", "server"), ("loggers", "logger")):
            srv = self.demo("app:\n  x: 1\n%s:\n  address: '127.0.0.1:1'\n" % name,
                            address="127.0.0.1:0")
            srv.wait_log(r":3: '%s' is taken for a section of the program; is '%s' meant\?"
                         % (name, ours))
        both = self.demo("server:\n  address: '127.0.0.1:0'\nservers:\n  mine: 1\n")
        self.assertNotIn("is taken for", both.log())

    def test_wrong_types_are_named(self):
        for value in ("keepAlive: maybe", "readTimeout: soon", "maxHeaderBytes: big",
                      "loops: -1", "gracefulTimeout: [1, 2]", "keepAlive: {a: b}",
                      "clientMaxBodySize: 99999999999999999999", "maxConnections: 1.5"):
            with self.subTest(value):
                key = value.split(":")[0]
                self.refused("server:\n  address: ':0'\n  %s\n" % value, 3, key)

    def test_all_mistakes_are_told_at_once(self):
        path = self.file("server:\n  one: 1\n  two: 2\n")
        srv = self.spawned([program("examples/demo"), path], address=None)
        self.assertEqual(srv.exit_code(), 1)
        self.assertIn(path + ":2", srv.log())
        self.assertIn(path + ":3", srv.log())

    def test_broken_yaml_is_named_with_its_line(self):
        self.refused("server:\n  address: ':0'\n  keepAlive: [true\n", None, r"demo\.yaml:\d+")
        self.refused("server:\n\taddress: ':0'\n", None, r"demo\.yaml:\d+")

    def test_a_doubled_key_is_an_error(self):
        self.refused("server:\n  keepAlive: true\n  keepAlive: false\n  address: ':0'\n", 3,
                     "keepAlive")

    def test_a_missing_file_is_named(self):
        srv = self.spawned([program("examples/demo"), "/no/such.yaml"], address=None)
        self.assertEqual(srv.exit_code(), 1)
        self.assertIn("/no/such.yaml", srv.log())

    def test_a_file_that_is_a_bomb_ends_quickly(self):
        levels = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
        for i in range(1, 9):
            levels.append("a%d: &a%d [%s]" % (i, i, ",".join(["*a%d" % (i - 1)] * 9)))
        self.refused("\n".join(levels) + "\n", None)
        self.refused("server: " + "[" * 100000 + "\n", None)

    def test_a_bad_address_in_the_file_is_an_error(self):
        self.refused("server:\n  address: 'nonsense'\n", None, "nonsense")


class Environment(Config):
    def test_the_environment_wins_over_the_file(self):
        srv = self.demo("server:\n  address: '127.0.0.1:1'\n  serverAgent: file\n",
                        env={"MOLT_SERVER_ADDRESS": "127.0.0.1:0",
                             "MOLT_SERVER_SERVERAGENT": "env"})
        self.assertEqual(self.fetch(srv).get("server"), "env")

    def test_the_environment_wins_over_the_program(self):
        srv = self.server(program("examples/demo"), env={"MOLT_SERVER_GRACEFUL": "false"})
        answer = self.admin(srv, "restart")
        self.assertGreaterEqual(answer.status, 400)
        self.assertRegex(answer.body.decode(), "graceful")

    def test_several_addresses(self):
        srv = self.server(program("examples/demo"), address="127.0.0.1:0,127.0.0.2:0", listeners=2)
        self.assertEqual(len(srv.ports), 2)

    def test_a_bad_value_is_named(self):
        for name, value in (("KEEPALIVE", "maybe"), ("READTIMEOUT", "soon"), ("LOOPS", "x")):
            srv = self.spawned(program("examples/demo"), env={"MOLT_SERVER_" + name: value})
            self.assertEqual(srv.exit_code(), 1, srv.log())
            self.assertIn("MOLT_SERVER_" + name, srv.log())

    def test_an_unknown_variable_is_named(self):
        srv = self.spawned(program("examples/demo"), env={"MOLT_SERVER_ADRESS": ":1"})
        try:
            srv.wait_log("MOLT_SERVER_ADRESS", timeout=5)
        finally:
            srv.kill()

    def test_a_secret_is_never_in_the_log(self):
        srv = self.spawned(program("examples/demo"), env={"MOLT_SERVER_ADMINTOKEN": "tooshort"})
        self.assertEqual(srv.exit_code(), 1, srv.log())
        self.assertNotIn("tooshort", srv.log())
        self.assertIsNotNone(re.search("(?i)admin_?token", srv.log()))


class MoreRights(Config):
    """A program with more rights than who started it (set-uid): who started it made the
    environment, and may decide nothing by it."""

    def set_uid_demo(self):
        directory = self.directory()
        if os.geteuid() != 0:
            self.skipTest("only root can make a set-uid program of another user")
        if os.statvfs(directory).f_flag & os.ST_NOSUID:
            self.skipTest("%s is mounted nosuid" % directory)
        os.chmod(directory, 0o755)
        path = os.path.join(directory, "demo")
        shutil.copyfile(program("examples/demo"), path)
        os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
        os.chmod(path, 0o4755)
        return path

    def test_the_environment_of_who_started_it_decides_nothing(self):
        path = self.set_uid_demo()
        listen = self.file("server:\n  address: '127.0.0.1:0'\n")
        os.chmod(os.path.dirname(listen), 0o755)
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(os.path.join(os.path.dirname(path), "notify"))
        os.chmod(manager.getsockname(), 0o777)
        srv = self.server([path, listen], address="no address at all",
                          env={"MOLT_SERVER_NAME": "stranger", "MOLT_NO_SUCH_KEY": "1",
                               "NOTIFY_SOCKET": manager.getsockname()})
        with open("/proc/%d/status" % srv.pid) as f:
            ids = re.search(r"Uid:\s+(\d+)\s+(\d+)", f.read()).groups()
        self.assertEqual(ids, ("0", str(pwd.getpwnam("nobody").pw_uid)))
        self.assertEqual(self.text(srv), "Hello!\n")
        self.assertNotIn("stranger", srv.log())
        with self.assertRaises(BlockingIOError):  # READY=1 would be there: it serves
            manager.recv(100, socket.MSG_DONTWAIT)

    def test_the_same_program_obeys_it_without_them(self):
        path = self.set_uid_demo()
        os.chmod(path, 0o755)
        srv = self.spawned([path, self.file("server:\n  address: '127.0.0.1:0'\n")],
                           address="no address at all")
        self.assertEqual(srv.exit_code(), 1)
        self.assertIn("no address at all", srv.log())


if __name__ == "__main__":
    main()
