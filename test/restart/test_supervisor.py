"""molt run: the same pid, the program started again, nobody refused meanwhile."""
import os
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import load  # noqa: E402
import notify  # noqa: E402
import procs  # noqa: E402
from case import OWN_PIDS, SHORT, SLOW, eventually, main, needs_own_pids, program  # noqa: E402
from release import free_ports, wait_open  # noqa: E402
from supervised import SupervisedCase  # noqa: E402

LIB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")


def parent(pid):
    return procs.status_field(pid, "PPid")


class Base(SupervisedCase):
    def alone(self, srv, pid):
        for other in srv.pids():
            if other not in (pid, srv.proc.pid):
                self.assertTrue(procs.wait_gone(other, 5 * SLOW))

    def kill_gone(self, pid):
        """kill -9, and no connection is accepted there any more."""
        procs.kill(pid)
        procs.wait_gone(pid, 5)

    def kill_and_wait(self, srv):
        """kill -9 of the only generation; the pid of the one that follows.  While a
        predecessor drains it would serve again instead."""
        old = self.serving_pid(srv.port)
        self.alone(srv, old)
        since = srv.mark()
        procs.kill(old)
        return srv.wait_listening(1, since=since, not_pid=old)[0].pid

    def refused(self, port):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) != 0


class SamePid(Base):
    def test_restarts_by_signals_to_the_supervisor(self):
        srv = self.supervised()
        seen = [srv.pid]
        for sig in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR1):
            since = srv.mark()
            procs.kill(srv.proc.pid, sig)
            seen.append(srv.wait_listening(1, since=since, not_pid=seen[-1])[0].pid)
            self.assertTrue(procs.wait_gone(seen[-2], 5 * SLOW))
        self.assertEqual(len(set(seen)), 4)
        self.assertIsNone(srv.proc.poll())
        # Successors of successors are the supervisor's children, and nobody is a zombie.
        self.assertTrue(eventually(lambda: parent(seen[-1]) == srv.proc.pid))
        self.assertTrue(eventually(lambda: procs.zombies_of(srv.proc.pid) == []))
        self.assertEqual(sorted(srv.pids()), sorted([srv.proc.pid, seen[-1]]))

    def test_the_first_generation_is_number_one_and_has_no_predecessor(self):
        srv = self.supervised()
        status = self.status(srv)
        self.assertEqual((status["generation"], status["predecessor_pid"]), (1, 0))
        self.assertEqual(status["supervisor_pid"], srv.proc.pid)
        self.assertEqual(srv.listening()[0].verb, "started")
        self.restarted(srv)
        status = self.status(srv)
        self.assertEqual((status["generation"], status["supervisor_pid"]), (2, srv.proc.pid))

    def test_arguments_directory_and_environment(self):
        srv = self.supervised("-x", "y z", cwd=self.dir, env={"COLOR": "blue"})
        for _ in range(2):
            self.assertEqual(self.text(srv, "/argv").splitlines(), [self.path("app"), "-x", "y z"])
            self.assertEqual(self.text(srv, "/cwd").splitlines()[0], self.dir)
            self.assertIn("COLOR=blue\n", self.text(srv, "/environ"))
            self.assertNotIn("MOLT_HANDOVER", self.text(srv, "/child-env"))
            self.assertNotIn("socket:", self.text(srv, "/child-fds"))
            self.kill_and_wait(srv)

    def test_a_program_without_a_slash_is_found_by_path(self):
        self.put("1")
        srv = self.server(self.run_argv("app"), env={"PATH": self.dir + ":/bin:/usr/bin"})
        self.assertEqual(self.build(srv), "1")

    def test_the_supervisor_gone_the_program_serves_on(self):
        srv = self.supervised()
        old = srv.pid
        procs.kill(srv.proc.pid)
        srv.exit_code()
        new = self.restarted(srv)
        self.assertNotEqual(new, old)
        srv.wait_log("the supervisor .* does not hear us")


class Crashes(Base):
    def test_killed_under_load_nobody_is_refused(self):
        srv = self.supervised(env={"MOLT_SERVER_DUMPROUTERMAP": "false"})
        clients, kills = 8, 3 if SHORT else 6
        with load.Running(srv.port, "new", clients, mix="get", timeout=20 * SLOW) as run:
            for _ in range(kills):
                time.sleep(0.2)
                self.kill_and_wait(srv)
            time.sleep(0.2)
            report = run.finish()
        print("%d kills: %d ok, %r" % (kills, report["ok"], report["by_kind"]), flush=True)
        # Only requests inside the killed process are lost: one a client at most.
        lost = {"fresh_reset", "eof_before_answer", "partial"}
        self.assertEqual(set(report["by_kind"]) - lost, set(), report)
        self.assertLessEqual(report["failed"], clients * kills, report)
        self.assertEqual(len(report["pids"]), kills + 1, report)

    def test_connects_between_the_crash_and_the_start_wait_in_the_queue(self):
        srv = self.supervised()
        old, port = srv.pid, srv.port
        procs.kill(old)
        procs.wait_gone(old, 5)
        waiting = [self.connect(port) for _ in range(50)]  # while nobody accepts
        for conn in waiting:
            conn.send(b"GET /pid HTTP/1.1\r\nHost: a\r\n\r\n")
        answers = {conn.answer().body for conn in waiting}
        self.assertEqual(len(answers), 1)
        self.assertNotEqual(answers, {b"%d\n" % old})

    def test_the_history_tells_the_crash_and_what_was_before(self):
        srv = self.supervised()
        self.restarted(srv)
        eventually(lambda: self.status(srv)["draining_generation"] is None)
        self.kill_and_wait(srv)
        status = self.status(srv)
        self.assertEqual(status["generation"], 3)
        self.assertEqual([r["outcome"] for r in status["receipts"]], ["crashed", "switched"])
        self.assertIn("killed by signal 9", status["receipts"][0]["reason"])

    def test_restarts_work_after_a_crash_and_crashes_after_a_restart(self):
        srv = self.supervised()
        for _ in range(2):
            self.kill_and_wait(srv)
            self.restarted(srv)
        self.kill_and_wait(srv)
        self.assertEqual(self.status(srv)["generation"], 6)

    def test_the_listeners_of_the_last_configuration_are_kept(self):
        a, b, c = free_ports(3)

        def write(*ports):
            self.write("c.yaml", "server:\n  address: '%s'\n"
                       % ",".join("127.0.0.1:%d" % p for p in ports))
        write(a, b)
        srv = self.supervised(self.path("c.yaml"), address=None, listeners=2)
        write(b, c)
        self.assertEqual(self.restart_api(a).status, 200)
        eventually(lambda: self.refused(a))
        self.assertTrue(self.refused(a), "a listener that was dropped is still open")
        serving = self.serving_pid(b)
        self.alone(srv, serving)
        procs.kill(serving)
        for port in (b, c):
            self.assertEqual(self.text(port, "/build"), "1\n")

    def test_a_server_that_starts_and_stops_later(self):
        srv = self.supervised(env={"APP_LATE": "1"})
        for _ in range(2):
            late = int(self.text(srv.port, "/late"))
            pid = self.serving_pid(srv.port)
            self.assertEqual(self.text(late, "/pid"), "%d\n" % pid)
            self.text(srv.port, "/stop-late")
            self.assertTrue(eventually(lambda: self.refused(late)),
                            "the supervisor keeps what was closed")
            srv.restart()

    def test_a_unix_socket_is_kept(self):
        path = self.path("app.sock")
        srv = self.supervised(address="unix:" + path)
        old = int(self.fetch(path, "/pid").body)
        procs.kill(old)
        procs.wait_gone(old, 5)
        self.assertNotEqual(int(self.fetch(path, "/pid").body), old)
        srv.stop()
        self.assertFalse(os.path.exists(path))

    def test_the_program_that_served_is_started_not_the_rubbish_at_its_path(self):
        srv = self.supervised()
        self.write("app.new", "rubbish", 0o755)
        os.rename(self.path("app.new"), self.path("app"))
        self.kill_and_wait(srv)
        self.assertEqual(self.build(srv), "1")
        self.put("2")
        self.kill_and_wait(srv)
        self.assertEqual(self.build(srv), "1")
        self.restarted(srv)
        self.assertEqual(self.build(srv), "2")
        self.kill_and_wait(srv)
        self.assertEqual(self.build(srv), "2")

    def test_a_script_is_started_again_as_a_script(self):
        self.put("1")
        script = self.write("start.sh", "#!/bin/sh\nFROM=script exec %s \"$@\" more\n"
                            % self.path("app"), 0o755)
        srv = self.server(self.run_argv(script, "-first"))
        for _ in range(2):
            self.assertIn("FROM=script", self.text(srv, "/environ"))
            self.assertIn("-first\nmore\n", self.text(srv, "/argv"))
            self.kill_and_wait(srv)

    def test_the_successor_killed_while_its_predecessor_drains(self):
        srv = self.supervised()
        old = srv.pid
        running = self.held(srv)
        self.kill_gone(self.restarted(srv))
        self.assertEqual(self.serving_pid(srv.port), old, "it was not taken back")
        self.assertEqual(running.answer().body, b"%d\n%d\n" % (old, old))
        time.sleep(0.3)
        self.assertEqual(len(srv.pids()), 2, "two owners: %r" % srv.pids())
        self.assertNotEqual(self.kill_and_wait(srv), old)

    def test_a_successor_that_dies_in_the_bake_is_taken_back_and_not_started_again(self):
        srv = self.supervised(env={"MOLT_SERVER_BAKETIME": "30s"})
        first = srv.pid
        for _ in range(3):
            self.kill_gone(self.restarted(srv))
            self.assertEqual(self.serving_pid(srv.port), first)
            time.sleep(0.3)
            self.assertEqual(len(srv.pids()), 2, "two owners: %r" % srv.pids())
        self.assertNotEqual(self.kill_and_wait(srv), first)

    def test_a_listener_that_only_the_dead_one_had_is_refused_until_the_next_restart(self):
        a, b = free_ports(2)

        def write(*ports):
            self.write("c.yaml", "server:\n  address: '%s'\n"
                       % ",".join("127.0.0.1:%d" % p for p in ports))
        write(a)
        srv = self.supervised(self.path("c.yaml"), address=None,
                              env={"MOLT_SERVER_BAKETIME": "30s"})
        first = self.serving_pid(a)
        write(a, b)
        self.kill_gone(self.restarted(a))
        self.assertEqual(self.serving_pid(a), first)
        self.assertTrue(eventually(lambda: self.refused(b)))
        newest = self.restarted(a)
        self.assertEqual(self.serving_pid(b), newest)
        self.assertEqual(len(srv.pids()), 3)

    def test_both_generations_of_a_bake_are_killed(self):
        srv = self.supervised(env={"MOLT_SERVER_BAKETIME": "30s"})
        first = srv.pid
        second = self.restarted(srv)
        procs.kill(first)
        self.kill_gone(second)
        self.assertNotIn(self.serving_pid(srv.port), (first, second))

    def test_the_predecessor_killed_in_the_middle_of_a_restart(self):
        """Either the successor goes on, or the supervisor starts another; never both.  A restart
        that came too late for the dead one is made by the one that is started, whose process
        stays no longer than it drains here."""
        for first in (0, 4) if SHORT else (0, 4, 8, 12, 16):
            address = "127.0.0.1:%d" % (free_ports(1)[0] if first % 8 else 0)
            srv = self.supervised(address=address, env={"MOLT_SERVER_BAKETIME": "0"})
            port = srv.port
            for i in range(first, first + 4):  # more would wait long between the starts
                old = self.serving_pid(port)
                procs.kill(srv.proc.pid, signal.SIGUSR2)
                time.sleep(i * 0.0005)
                procs.kill(old)
                procs.wait_gone(old, 5)  # until then it may still accept
                self.assertNotEqual(self.serving_pid(port), old)
                eventually(lambda: len(srv.pids()) == 2)
                self.assertEqual(len(srv.pids()), 2, "two owners: %r" % srv.pids())
            srv.stop()

    def test_a_successor_that_is_slow_to_start_takes_the_place_of_the_dead(self):
        self.put("1")
        script = self.write("slow", "#!/bin/sh\nsleep 1\nexec %s\n" % self.path("app"), 0o755)
        srv = self.supervised()
        old = srv.pid
        conn = self.connect(srv)
        conn.send(b"POST /debug/admin/restart?newExeFilePath=%s HTTP/1.1\r\nHost: localhost\r\n"
                  b"Content-Length: 0\r\n\r\n" % script.encode())
        eventually(lambda: len(srv.pids()) > 2)
        time.sleep(0.1)
        procs.kill(old)
        self.assertNotEqual(self.serving_pid(srv.port), old)
        eventually(lambda: len(srv.pids()) == 2)
        time.sleep(1.2)  # for a wrong one, to start another
        self.assertEqual(len(srv.pids()), 2, "two owners: %r" % srv.pids())

    def test_a_second_of_service_makes_the_pause_short_again(self):
        srv = self.supervised()
        self.kill_and_wait(srv)
        self.kill_and_wait(srv)
        srv.wait_log("started again in 200 ms")
        time.sleep(1.1)
        since = srv.mark()
        self.kill_and_wait(srv)
        srv.wait_log("started again in 100 ms", since=since)

    def test_a_program_that_crashes_each_time_is_started_more_and_more_seldom(self):
        self.put("1")
        flag = self.path("crash")
        script = self.write("start.sh", "#!/bin/sh\n[ -e %s ] && echo tried && exit 9\nexec %s\n"
                            % (flag, self.path("app")), 0o755)
        srv = self.server(self.run_argv(script))
        open(flag, "w").close()
        procs.kill(self.serving_pid(srv))
        time.sleep(1.2)
        self.assertLess(srv.log().count("tried\n"), 5)  # after 0.1, 0.3, 0.7, 1.5 s
        srv.wait_log("exited with status 9; it is started again in 400 ms")
        os.unlink(flag)
        self.assertEqual(self.text(srv.port, "/build"), "1\n")


class Ends(Base):
    def test_a_term_is_passed_on_and_waited_for(self):
        for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            srv = self.supervised()
            running = self.held(srv)
            pid = srv.pid
            procs.kill(srv.proc.pid, sig)
            srv.wait_log("server shutting down")
            self.assertEqual(running.answer().body, b"%d\n%d\n" % (pid, pid))
            self.assertEqual(srv.exit_code(), 0)
            self.nobody(srv)
            srv.stop()

    def test_new_clients_are_refused_while_it_stops(self):
        srv = self.supervised()
        running = self.held(srv)
        procs.kill(srv.proc.pid, signal.SIGTERM)
        srv.wait_log("server shutting down")
        self.assertTrue(eventually(lambda: self.refused(srv.port), 30))
        self.assertEqual(running.answer().status, 200)

    def test_a_second_term_kills(self):
        srv = self.supervised(env={"MOLT_SERVER_GRACEFULSHUTDOWNTIMEOUT": "600s"})
        self.held(srv)
        procs.kill(srv.proc.pid, signal.SIGTERM)
        srv.wait_log("server shutting down")
        time.sleep(0.3)  # signals of one moment are one request
        procs.kill(srv.proc.pid, signal.SIGTERM)
        srv.exit_code(60)
        self.nobody(srv)

    def test_a_second_term_kills_what_a_kill_leaves_behind(self):
        """In the middle of a restart: the successor must not go on as an orphan."""
        srv = self.supervised()
        bad = self.put_bad("never_ready")
        kill_at = self.connect(srv)
        kill_at.send(b"POST /debug/admin/restart?newExeFilePath=%s HTTP/1.1\r\nHost: localhost\r\n"
                     b"Content-Length: 0\r\n\r\n" % bad.encode())
        eventually(lambda: len(srv.pids()) == 3)
        while srv.proc.poll() is None:  # a second one at the earliest 50 ms after it has the first
            srv.proc.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        self.nobody(srv)

    def test_a_program_that_ends_by_itself_ends_the_supervisor(self):
        srv = self.supervised()
        self.text(srv, "/shutdown")
        self.assertEqual(srv.exit_code(), 0)
        self.nobody(srv)

    def test_a_term_while_nothing_runs(self):
        self.put("1")
        flag = self.path("crash")
        script = self.write("start.sh", "#!/bin/sh\n[ -e %s ] && exit 9\nexec %s\n"
                            % (flag, self.path("app")), 0o755)
        srv = self.server(self.run_argv(script))
        open(flag, "w").close()
        procs.kill(self.serving_pid(srv))
        srv.wait_log("started again in 800 ms", timeout=15)
        procs.kill(srv.proc.pid, signal.SIGTERM)
        self.assertEqual(srv.exit_code(2), 0)

    def test_a_program_that_never_served_gives_its_status(self):
        for argv, code in ((["/bin/true"], 0), (["/bin/false"], 1),
                           (["/bin/sh", "-c", "exit 7"], 7),
                           (["/bin/sh", "-c", "kill -9 $$"], 137),
                           (["/nowhere/x"], 127), (["no-such-program-here"], 127),
                           (["/dev/null"], 126)):
            done = subprocess.run([program("src/cli/molt"), "run", *argv], timeout=20 * SLOW,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.assertEqual(done.returncode, code, (argv, done))

    def test_killed_when_the_port_has_just_opened_it_is_started_again(self):
        for _ in range(3 if SHORT else 6):
            port, = free_ports(1)
            self.put("1")
            srv = self.spawned(self.run_argv(self.path("app")), address="127.0.0.1:%d" % port)
            wait_open(port).close()
            first = [p for p in srv.pids() if p != srv.proc.pid]
            procs.kill(first[0])
            srv.wait_log("was killed by signal 9")
            srv.wait_listening(1, not_pid=first[0])
            self.assertNotIn(self.serving_pid(port), first)
            self.assertIsNone(srv.proc.poll())
            srv.stop()

    def test_a_restart_that_is_asked_for_while_nobody_serves_waits(self):
        srv = self.supervised()
        old = srv.pid
        procs.pause(srv.proc.pid)
        self.kill_gone(old)
        procs.kill(srv.proc.pid, signal.SIGUSR1)  # it reads this before it knows of the end, or after
        procs.kill(srv.proc.pid, signal.SIGCONT)
        srv.wait_log("generation [0-9]+ drains")
        self.assertTrue(eventually(lambda: self.status(srv.port)["receipts"][0]["outcome"]
                                   == "switched"))

    def test_a_port_that_is_taken_ends_the_start(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            self.put("1")
            srv = self.spawned(self.run_argv(self.path("app")),
                               address="127.0.0.1:%d" % taken.getsockname()[1])
            self.assertEqual(srv.exit_code(), 1)
            self.assertIn("already in use", srv.log())

    def test_orphans_of_the_program_are_reaped(self):
        self.put("1")
        script = self.write("start.sh", "#!/bin/sh\n(sleep 3 &)\nexec %s\n" % self.path("app"),
                            0o755)
        srv = self.server(self.run_argv(script))
        orphan, = eventually(lambda: set(srv.pids()) - {srv.proc.pid, self.serving_pid(srv.port)}, 10)
        self.assertTrue(procs.wait_gone(orphan, 10 * SLOW))
        self.assertTrue(eventually(lambda: procs.zombies_of(srv.proc.pid) == [], 10))
        self.assertEqual(len(srv.pids()), 2)

    def test_a_failed_restart_leaves_the_service(self):
        srv = self.supervised()
        old = srv.pid
        for way in ("exit_later", "crash"):
            self.assertEqual(self.restart_api(srv, self.put_bad(way)).status, 502)
        self.assertEqual(self.serving_pid(srv), old)
        self.assertEqual(self.kill_and_wait(srv), self.serving_pid(srv))

    def test_a_program_that_goes_into_the_background_ends_with_its_restart(self):
        srv = self.supervised()
        for way in ("daemonize", "daemonize_late"):
            done = self.molt("restart", "--exe", self.put_bad(way), code=1)
            self.assertRegex(done.stdout + done.stderr, "exited with status 0 before it was ready"
                             "|must not go into the background")
        # At once: the last of them may still be on its way out.
        srv.proc.send_signal(signal.SIGTERM)
        self.assertEqual(srv.exit_code(20), 0)
        self.nobody(srv)
        self.assertNotRegex(srv.log(), "nobody closed|in its place|Assertion")

    def test_descriptors_of_the_supervisor_do_not_grow(self):
        srv = self.supervised()

        def at_rest():
            """The descriptors when it has forgotten the predecessor of a restart: then it has
            read all that was said before, and keeps no channel of a start."""
            self.restarted(srv)
            self.assertTrue(eventually(lambda: sum(
                "pidfd" in x for x in procs.descriptors(srv.proc.pid).values()) == 1))
            return procs.descriptors(srv.proc.pid)
        self.kill_and_wait(srv)
        before = at_rest()
        for _ in range(2 if SHORT else 5):
            self.kill_and_wait(srv)
            now = at_rest()
        self.assertEqual(len(now), len(before), (before, now))


class WithManager(Base):
    def test_the_main_process_stays_the_supervisor(self):
        peer = notify.Peer(self.path("notify"))
        self.addCleanup(peer.close)
        srv = self.supervised(env={"NOTIFY_SOCKET": peer.path, "WATCHDOG_USEC": "400000"})
        at, _ = peer.wait(pid=srv.pid, READY="1")
        new = self.restarted(srv)
        at, _ = peer.wait(at, RELOADING="1")
        at, _ = peer.wait(at, pid=new, READY="1")
        newest = self.kill_and_wait(srv)
        at, crash = peer.wait(at, pid=srv.proc.pid, STATUS=None)
        self.assertIn("started again in 100 ms", crash["STATUS"])
        at, _ = peer.wait(at, pid=newest, READY="1")
        peer.wait(at, pid=newest, WATCHDOG="1")
        procs.kill(srv.proc.pid, signal.SIGTERM)
        peer.wait(at, STOPPING="1")
        self.assertEqual(srv.exit_code(), 0)
        self.assertFalse([m for m in peer.read() if "MAINPID" in m])

    def test_passed_sockets_go_to_the_program_and_survive_its_crash(self):
        port, = free_ports(1)
        self.put("1")
        srv = self.server([sys.executable, os.path.join(LIB, "activate.py"),
                           "web=127.0.0.1:%d" % port] + self.run_argv(self.path("app")),
                          address="systemd:web")
        self.kill_and_wait(srv)
        self.assertEqual(self.text(port, "/build"), "1\n")
        self.restarted(srv)
        self.assertNotIn("LISTEN_", self.text(port, "/environ"))


class PidOne(Base):
    def setUp(self):
        super().setUp()
        needs_own_pids()

    def start(self):
        srv = self.server(OWN_PIDS + [self.put("1")])
        children = [p for p in srv.pids() if p != srv.proc.pid and parent(p) == srv.proc.pid]
        return srv, children[0]  # its pid here; there it is 1

    def test_a_program_that_is_pid_one_supervises_itself(self):
        srv, first = self.start()
        inside = self.serving_pid(srv.port)
        self.assertNotEqual(inside, 1)
        self.assertEqual(self.status(srv.port)["supervisor_pid"], 1)
        procs.kill(first, signal.SIGUSR2)
        self.assertTrue(eventually(lambda: self.serving_pid(srv.port) != inside))
        inside = self.serving_pid(srv.port)
        self.assertEqual(self.restart_api(srv.port).status, 200)
        self.assertNotEqual(self.serving_pid(srv.port), inside)
        for pid in srv.pids():
            if pid not in (srv.proc.pid, first):
                procs.kill(pid)
        self.assertEqual(self.text(srv.port, "/build"), "1\n")
        procs.kill(first, signal.SIGTERM)
        self.assertEqual(srv.exit_code(), 0)

    def test_any_program_built_with_molt_gives_its_status_as_pid_one(self):
        done = subprocess.run(OWN_PIDS + [self.put("1"), self.path("absent.yaml")],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20 * SLOW)
        self.assertEqual(done.returncode, 1, done)

    def test_molt_run_as_pid_one_is_the_supervisor_itself(self):
        self.put("1")
        srv = self.server(OWN_PIDS + self.run_argv(self.path("app")))
        self.assertEqual(self.status(srv.port)["supervisor_pid"], 1)
        self.assertGreater(self.serving_pid(srv.port), 1)
        self.assertEqual(self.restart_api(srv.port).status, 200)


if __name__ == "__main__":
    main()
