"""What a new generation inherits, and what it must not: arguments, environment,
directory, umask, standard streams, descriptors, variables of the handover."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
from case import eventually, main  # noqa: E402
from release import RestartCase  # noqa: E402


class Carried(RestartCase):
    def both(self, srv, path):
        """The text of path before and after a restart."""
        before = self.text(srv, path)
        self.restarted(srv)
        return before, self.text(srv, path)

    def test_arguments(self):
        self.write("c.yaml", "server:\n  keepAlive: true\n")
        before, after = self.both(self.app(self.path("c.yaml"), "-x", "", "a b", "ä\n"), "/argv")
        self.assertEqual(before, after)
        self.assertIn("a b", before)

    def test_environment(self):
        srv = self.app(env={"SECRET_OF_THE_APP": "ä=1\n2", "EMPTY": ""})
        before, after = self.both(srv, "/environ")
        self.assertEqual(before, after)
        self.assertIn("SECRET_OF_THE_APP=ä=1\n2", before)

    def test_directory_and_umask(self):
        os.mkdir(self.path("work"))
        self.put("1")
        old = os.umask(0o027)
        try:
            srv = self.server(self.path("app"), cwd=self.path("work"))
        finally:
            os.umask(old)
        before, after = self.both(srv, "/cwd")
        self.assertEqual(before, "%s\n0027\n" % self.path("work"))
        self.assertEqual(before, after)

    def test_limits_and_priority(self):
        self.put("1")
        srv = self.server(["/bin/sh", "-c", "ulimit -n 512; ulimit -c 0; exec nice -n 3 '%s'"
                           % self.path("app")])
        old = srv.pid

        def of(pid):
            with open("/proc/%d/limits" % pid) as f:
                lines = [line.split() for line in f]
            return [w for w in lines if w[:3] == ["Max", "open", "files"]], os.getpriority(
                os.PRIO_PROCESS, pid)

        before = of(old)
        self.assertEqual(before, of(self.restarted(srv)))

    def test_standard_streams(self):
        srv = self.app()
        old = srv.pid
        files = procs.descriptors(old)
        new = self.restarted(srv)
        now = procs.descriptors(new)
        for fd in (0, 1, 2):
            self.assertEqual(now[fd], files[fd], "descriptor %d" % fd)

    def test_standard_streams_that_are_closed(self):
        self.put("1")
        self.write("closed", "#!/bin/sh\nexec '%s' <&- 2>&-\n" % self.path("app"), 0o755)
        srv = self.server(self.path("closed"))
        self.restarted(srv)
        self.restarted(srv)

    def test_signal_dispositions_and_masks(self):
        srv = self.app()

        def signals(pid):
            with open("/proc/%d/status" % pid) as f:
                return dict(line.split(":\t") for line in f if line.startswith("Sig"))

        before = signals(srv.pid)
        after = signals(self.restarted(srv))
        for key in ("SigIgn", "SigCgt", "SigBlk"):
            self.assertEqual(before[key], after[key], key)

    def test_an_ignored_hangup_stays_ignored(self):
        self.put("1")
        srv = self.server(["nohup", self.path("app")])
        self.restarted(srv)
        self.assertEqual(self.text(srv, "/build"), "1\n")

    def test_the_output_goes_on_into_a_pipe(self):
        self.put("1")
        srv = self.server(["/bin/sh", "-c", "exec '%s' | tee -a /dev/stderr >/dev/null"
                           % self.path("app")])
        new = self.restarted(srv)
        srv.wait_log(r" %d: http server restarted" % new)


class Hidden(RestartCase):
    def test_variables_of_the_handover_reach_nobody(self):
        srv = self.app()
        for _ in range(2):
            self.restarted(srv)
            for path in ("/environ", "/child-env"):
                names = [line.split("=")[0] for line in self.text(srv, path).splitlines()]
                left = [n for n in names if n.startswith("MOLT_") and n not in srv.env]
                self.assertEqual(left, [], path)

    def test_children_inherit_no_descriptor(self):
        srv = self.app()
        for _ in range(2):
            listing = self.text(srv, "/child-fds")
            inherited = [line for line in listing.splitlines()
                         if "->" in line and "socket:" in line or "anon_inode" in line]
            self.assertEqual(inherited, [], listing)
            self.restarted(srv)

    def test_the_new_process_has_only_what_it_needs(self):
        srv = self.app(env={"MOLT_SERVER_HANDOVER": "false"})
        held = [self.connect(srv) for _ in range(20)]
        for conn in held:
            conn.request("GET", "/")
        old = procs.descriptors(srv.pid)
        new = self.restarted(srv)
        # Connections of the old process must not leak into the new one: their clients
        # would never see them end.  What both have open is the listener.
        sockets = [{t for t in fds.values() if t.startswith("socket:")}
                   for fds in (old, procs.descriptors(new))]
        self.assertGreater(len(sockets[0]), len(held))
        self.assertEqual(len(sockets[0] & sockets[1]), 1)
        # Besides what every process has: the channel, what tells the old one's end, the
        # previous program, the pipe of its own standard error.
        self.assertTrue(eventually(
            lambda: len(procs.descriptors(new)) <= len(old) - len(held) + 5))

    def test_every_descriptor_is_closed_on_exec(self):
        srv = self.app()
        pid = self.restarted(srv)
        seen = 0
        for fd in procs.descriptors(pid):
            if fd <= 2:
                continue
            try:
                with open("/proc/%d/fdinfo/%d" % (pid, fd)) as f:
                    flags = [line.split()[1] for line in f if line.startswith("flags:")][0]
            except FileNotFoundError:
                continue  # closed meanwhile: the socket to the old process
            self.assertTrue(int(flags, 8) & 0o2000000, "%d is not close-on-exec" % fd)
            seen += 1
        self.assertGreater(seen, 4)

    def test_a_forged_handover_variable_harms_nothing(self):
        for value in ("3", "999", "-1", "x", "0", ""):
            self.put("1")
            srv = self.spawned(self.path("app"), env={"MOLT_HANDOVER": value})
            ended = eventually(lambda: srv.proc.poll() is not None or srv.listening(), 5)
            self.assertTrue(ended, "it hangs with MOLT_HANDOVER=%s: %s" % (value, srv.log()))
            if srv.proc.poll() is None:
                self.assertEqual(self.text(srv, "/build"), "1\n")
            else:
                self.assertGreater(srv.proc.poll(), 0, srv.log())
            srv.stop()

    def test_a_program_started_by_the_server_is_a_server_of_its_own(self):
        srv = self.app()
        self.restarted(srv)
        env = dict(line.split("=", 1) for line in self.text(srv, "/child-env").splitlines()
                   if "=" in line)
        with open(self.path("child.log"), "wb+") as log:
            child = subprocess.Popen([self.path("app")], env=env, stdout=log,
                                     stderr=subprocess.STDOUT)
            try:
                self.assertTrue(eventually(lambda: b"http server started listening" in
                                           os.pread(log.fileno(), 1 << 16, 0)), "it does not serve")
                self.assertIsNone(child.poll(), "it could not start")
                self.assertEqual(self.serving_pid(srv), srv.pid)
            finally:
                child.kill()
                child.wait()


if __name__ == "__main__":
    main()
