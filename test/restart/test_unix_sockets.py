"""The files of unix sockets: their name, mode and owners over restarts, what cleans up
temporary files beside them, and what is said and done when a stranger removes one."""
import json
import os
import shutil
import socket
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
from case import eventually, main, program  # noqa: E402
from release import RestartCase  # noqa: E402

LISTENS = 0x10000  # __SO_ACCEPTCON in the column of flags
GROUP = 65532      # a number will do, and nobody is in it


def listening():
    """The names at which sockets listen, as ss(8) and systemd-tmpfiles read them."""
    with open("/proc/net/unix") as f:
        fields = [line.split() for line in f.readlines()[1:]]
    return [f[7] for f in fields if len(f) > 7 and int(f[3], 16) & LISTENS]


class Sockets(RestartCase):
    def setUp(self):
        super().setUp()
        self.sock = self.path("app.sock")
        self.control = self.path("control.sock")
        self.meeting = self.path("takeover.sock")

    def started(self, **more):
        keys = {"address": "unix:" + self.sock, "controlSocket": self.control,
                "takeover": self.meeting, **more}
        self.configure(**keys)
        srv = self.app(self.path("c.yaml"), address=None, env={"MOLT_SERVER_BAKETIME": "1m"})
        # The meeting point is made a moment after the program serves.
        self.assertTrue(eventually(lambda: os.path.exists(self.meeting), 30))
        return srv

    def configure(self, **keys):
        self.keys = keys
        self.write("c.yaml", "server:\n  graceful: true\n" + "".join(
            "  %s: '%s'\n" % (k, v) for k, v in keys.items()))

    def over(self, action):
        """By the control socket, which a lost listener leaves alone."""
        answer = self.fetch(self.control, "/debug/admin/" + action, "POST", body=b"")
        self.assertEqual(answer.status, 200, answer)

    def mode(self):
        return stat.S_IMODE(os.lstat(self.sock).st_mode)

    def pid(self):
        return int(self.text(self.sock, "/pid"))


class Names(Sockets):
    def has_its_names(self):
        for path in (self.sock, self.control, self.meeting):
            self.assertTrue(eventually(lambda: path in listening()), path)
        self.assertTrue(eventually(
            lambda: not [n for n in os.listdir(self.dir) if ".sock." in n]), os.listdir(self.dir))

    def test_each_socket_listens_at_the_name_of_its_file(self):
        self.started()
        self.has_its_names()
        for action in ("restart", "restart", "rollback", "restart"):
            self.over(action)
            self.has_its_names()

    def test_systemd_tmpfiles_leaves_live_sockets_alone(self):
        tool = shutil.which("systemd-tmpfiles")
        if not tool:
            self.skipTest("systemd-tmpfiles is not installed (package systemd)")
        self.started()
        self.has_its_names()
        kept = sorted(os.path.basename(p) for p in (self.sock, self.control, self.meeting))
        # The folder and all that is in it is too old at once.
        conf = os.path.join(self.directory(), "molt.conf")
        with open(conf, "w") as f:
            f.write("d %s - - - 0\nx %s\nx %s\n" % (self.dir, self.path("app"),
                                                   self.path("c.yaml")))
        for action in (None, "restart", "rollback"):
            if action:
                self.over(action)
                self.has_its_names()
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(self.path("dead.sock"))
            done = subprocess.run([tool, "--clean", conf], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
            self.assertEqual(done.returncode, 0, done.stdout)
            # It did clean: the socket that nobody holds is gone.
            self.assertEqual(sorted(n for n in os.listdir(self.dir) if n.endswith(".sock")), kept)
            self.pid()


class Modes(Sockets):
    def setUp(self):
        super().setUp()
        self.own = os.umask(0o027)
        self.addCleanup(os.umask, self.own)

    def test_a_listener_is_for_all_and_the_others_are_private_whatever_the_umask(self):
        self.started()
        self.assertEqual(self.mode(), 0o666)
        for path in (self.control, self.meeting):
            self.assertEqual(stat.S_IMODE(os.lstat(path).st_mode), 0o600)

    def test_the_mode_follows_the_generation_that_serves(self):
        self.started(unixMode="0660")
        self.assertEqual(self.mode(), 0o660)
        self.configure(**{**self.keys, "unixMode": "0600"})
        self.assertEqual(self.mode(), 0o660)
        self.over("restart")
        self.assertEqual(self.mode(), 0o600)
        self.over("rollback")
        self.assertTrue(eventually(lambda: self.mode() == 0o660), oct(self.mode()))

    def test_group_and_user(self):
        if os.geteuid() != 0:
            self.skipTest("not root: a file cannot be given to another user")
        self.started(unixMode="0660", unixGroup=GROUP)
        self.assertEqual(os.lstat(self.sock).st_gid, GROUP)
        self.configure(**{**self.keys, "unixUser": GROUP})
        self.over("restart")
        self.assertEqual(os.lstat(self.sock).st_uid, GROUP)
        self.assertEqual(self.mode(), 0o660)

    def test_a_group_that_is_not_there_refuses_the_restart(self):
        self.started()
        old = self.pid()
        self.configure(**{**self.keys, "unixGroup": "no-such-group"})
        answer = self.fetch(self.control, "/debug/admin/restart", "POST", body=b"")
        self.assertEqual(answer.status, 502, answer)
        self.assertIn(b"unixGroup: this system has no group", answer.body)
        self.assertEqual(self.pid(), old)

    def test_a_mode_that_is_none_is_refused_with_its_line(self):
        self.configure(address="unix:" + self.sock, unixMode="rw-rw----")
        self.put("1")
        srv = self.spawned([self.path("app"), self.path("c.yaml")], address=None)
        self.assertEqual(srv.exit_code(), 1, srv.log())
        self.assertRegex(srv.log(), r"c\.yaml:4: .*unixMode.*must be octal digits such as 0660")


class Paths(Sockets):
    def test_the_second_server_does_not_take_a_live_path(self):
        srv = self.started()
        second = self.spawned(program("test/programs/app"), address="unix:" + self.sock)
        self.assertEqual(second.exit_code(), 1, second.log())
        self.assertRegex(second.log(), "address already in use; a running program accepts there")
        self.assertEqual(self.pid(), srv.pid)

    def test_a_path_that_is_too_long_is_refused_with_the_limit(self):
        long = "unix:/tmp/" + 100 * "p"
        srv = self.spawned(program("test/programs/app"), address=long)
        self.assertEqual(srv.exit_code(), 1, srv.log())
        self.assertRegex(srv.log(), "its path is longer than 95 bytes; choose a shorter one")

    def test_a_path_whose_server_was_killed_is_bound_again(self):
        srv = self.started()
        pid = srv.pid
        os.kill(pid, 9)
        self.assertTrue(procs.wait_gone(pid, 5))
        again = self.app(self.path("c.yaml"), address=None)
        self.assertEqual(self.pid(), again.pid)

    def test_a_removed_file_is_told_and_made_again_by_a_restart(self):
        srv = self.started()

        def lost():
            status = json.loads(self.fetch(self.control, "/debug/admin/status").body)
            return [one["lost"] for s in status["servers"] for one in s["listeners"]]

        self.assertEqual(lost(), [False])
        old = self.pid()
        os.unlink(self.sock)
        self.assertEqual(lost(), [True])
        shown = subprocess.run([program("src/cli/molt"), "status", "--socket", self.control],
                               stdout=subprocess.PIPE).stdout
        self.assertIn(b"its file is gone: nobody can connect; a restart makes it again", shown)
        self.over("restart")
        srv.wait_log("app.sock was removed or replaced; it is made again")
        self.assertEqual(lost(), [False])
        self.assertNotEqual(self.pid(), old)


if __name__ == "__main__":
    main()
