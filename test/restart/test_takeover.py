"""Takeover by path: a program that was started by others becomes the successor of the
one that runs (src/gen/join/takeover.c)."""
import os
import random
import signal
import socket
import stat
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import load  # noqa: E402
import notify  # noqa: E402
import procs  # noqa: E402
from case import OWN_PIDS, SHORT, SLOW, eventually, main, needs_own_pids  # noqa: E402
from release import free_ports  # noqa: E402
from supervised import SupervisedCase  # noqa: E402



class Base(SupervisedCase):
    def setUp(self):
        super().setUp()
        self.take = self.path("run/takeover.sock")
        self.port, = free_ports(1)
        self.put("1")

    def environment(self, env=None):
        return dict({"MOLT_SERVER_TAKEOVER": self.take, "MOLT_SERVER_DUMPROUTERMAP": "false"},
                    **(env or {}))

    def one(self, *before, env=None, name="app", wait=True):
        """A program of a session of its own, at the same address and path."""
        start = self.server if wait else self.spawned
        return start([*before, self.path(name)], address="127.0.0.1:%d" % self.port,
                     env=self.environment(env))

    def bad(self, way, env=None):
        self.put_bad(way)
        return self.one(name=way, env=env, wait=False)

    def now(self):
        return self.serving_pid(self.port)

    def receipts(self):
        return self.status(self.port)["receipts"]

    def ours(self, srv):
        """srv serves, and another program can take over from it."""
        pid = self.now()
        self.assertIn(pid, srv.pids())
        self.can_be_found()
        return pid

    def can_be_found(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.connect(self.take)  # a stale one would refuse

    def first(self, *before, **kw):
        """One without a predecessor, which listens at the path a moment after it serves."""
        srv = self.one(*before, **kw)
        self.assertTrue(eventually(self.is_found))
        return srv

    def is_found(self):
        try:
            self.can_be_found()
            return True
        except (FileNotFoundError, ConnectionRefusedError):
            return False


class Takeover(Base):
    def test_nobody_there_is_a_first_generation_and_the_path_is_for_us_alone(self):
        srv = self.first()
        status = self.status(self.port)
        self.assertEqual((status["generation"], status["predecessor_pid"]), (1, 0))
        mode = os.stat(self.take).st_mode
        self.assertEqual((stat.S_ISSOCK(mode), stat.S_IMODE(mode)), (True, 0o600))
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(self.take)).st_mode), 0o700)
        srv.stop()
        self.assertEqual(os.listdir(os.path.dirname(self.take)), [])

    def test_under_load_nothing_is_lost_and_no_connection_reopened(self):
        last, rounds = self.first(), 3 if SHORT else 8
        with load.Running(self.port, "reused", 16, mix="get", timeout=20 * SLOW) as run:
            for _ in range(rounds):
                time.sleep(0.1)
                last, before = self.one(), last
                self.assertEqual(before.exit_code(), 0)
            time.sleep(0.2)
            report = run.finish()
        print("%d takeovers: %d ok, %d reopened" % (rounds, report["ok"], report["reconnects"]),
              flush=True)
        self.assertEqual((report["failed"], report["reconnects"]), (0, 0), report)
        self.assertEqual(len(report["pids"]), rounds + 1, report)
        self.assertEqual(self.status(self.port)["generation"], rounds + 1)
        self.assertTrue(eventually(lambda: [r["how"] for r in self.receipts()]
                                   == ["takeover"] * rounds))
        self.assertEqual({r["outcome"] for r in self.receipts()}, {"switched"})
        self.ours(last)

    def test_restarts_and_takeovers_follow_each_other(self):
        last = self.first()
        for _ in range(2):
            self.restarted(self.port)
            last, before = self.one(), last
            self.assertTrue(before.wait_empty(10))
        self.restarted(self.port)
        self.assertEqual(self.status(self.port)["generation"], 6)
        self.ours(last)

    def test_the_program_and_the_environment_are_the_new_ones(self):
        self.first()
        self.put("2", "new")
        new = self.one(name="new", env={"COLOR": "blue"})
        for _ in range(2):
            self.assertEqual(self.text(self.port, "/build"), "2\n")
            self.assertIn("COLOR=blue\n", self.text(self.port, "/environ"))
            self.restarted(self.port)
        self.ours(new)

    def test_a_running_request_is_finished_by_the_old_one(self):
        old = self.first()
        running = self.held(self.port)
        pid = old.pid
        self.one()
        self.assertEqual(running.answer().body, b"%d\n%d\n" % (pid, pid))
        self.assertEqual(old.exit_code(), 0)

    BUSY = "refuses the takeover: it is being restarted, replaced or shut down"

    def test_two_at_once_one_is_served_the_other_is_told(self):
        for _ in range(2 if SHORT else 4):
            old = self.first()
            both = [self.one(wait=False) for _ in range(3)]
            self.assertTrue(eventually(lambda: sum(s.proc.poll() is None for s in both) == 1
                                       and old.proc.poll() is not None))
            good, = [s for s in both if s.proc.poll() is None]
            for other in both:  # refused, or served and taken over by the next
                if other is not good and other.exit_code():
                    self.assertEqual(other.exit_code(), 1)
                    self.assertRegex(other.log(), self.BUSY)
            self.assertEqual(self.ours(good), good.pid)
            good.stop()

    def test_restarts_are_refused_with_busy_while_one_takes_over(self):
        self.first(env={"MOLT_SERVER_READYTIMEOUT": "2s"})
        bad = self.bad("never_ready")
        self.assertTrue(eventually(lambda: self.status(self.port)["state"] == "restarting"))
        self.assertEqual(self.restart_api(self.port).status, 409)
        other = self.one(wait=False)
        self.assertEqual(other.exit_code(), 1)
        self.assertRegex(other.log(), self.BUSY)
        bad.exit_code()
        self.assertTrue(eventually(lambda: self.status(self.port)["state"] == "serving"))
        self.restarted(self.port)

    # -- successors that fail

    def served_on(self, old, bad, status):
        """Everything of a successor that fails in that way; what was said of it."""
        pid = old.pid
        before = procs.descriptors(pid)
        with load.Running(self.port, "reused", 4, mix="get", timeout=20 * SLOW) as run:
            self.assertEqual(bad().exit_code(), status)
            # Until the running one knows of that end, another one is told to wait.
            self.assertTrue(eventually(lambda: len(self.receipts()) == 1))
            report = run.finish()
        self.assertEqual((report["failed"], report["reconnects"]), (0, 0), report)
        self.assertEqual(self.now(), pid)
        # A connection of ours may have been among them.
        self.assertTrue(eventually(lambda: procs.descriptors(pid).items() <= before.items()))
        receipt, = self.receipts()
        self.assertEqual((receipt["how"], receipt["outcome"]), ("takeover", "failed"))
        return receipt

    def test_a_successor_that_hangs_changes_nothing(self):
        old = self.first(env={"MOLT_SERVER_READYTIMEOUT": "1s"})
        hung = self.served_on(old, lambda: self.bad("never_ready"), -signal.SIGKILL)
        self.assertEqual(hung["phase"], "INIT")
        self.assertIn("it was not ready within", hung["reason"])
        self.can_be_found()

    def test_a_successor_that_ends_changes_nothing(self):
        old = self.first()
        self.write("busy_address", self.occupied())
        unbound = self.served_on(old, lambda: self.bad("cannot_bind"), 1)
        self.assertIn("in use", unbound["reason"])
        self.ours(self.one())

    def occupied(self):
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        s.listen()
        self.addCleanup(s.close)
        return "127.0.0.1:%d" % s.getsockname()[1]

    def test_killed_or_stopped_at_any_moment(self):
        """kill -9 of the one that takes over, or SIGSTOP (it is killed at the deadline)."""
        old = self.first(env={"MOLT_SERVER_READYTIMEOUT": "300ms", "MOLT_SERVER_BAKETIME": "30s"})
        pid, pick = old.pid, random.Random(1)
        outcomes = []
        with load.Running(self.port, "reused", 4, mix="get", timeout=20 * SLOW) as run:
            for i in range(10 if SHORT else 30):
                # Another path each time: what was taken back is refused for a while.
                self.put("1", "app%d" % i)
                new = self.one(name="app%d" % i, wait=False)
                time.sleep(pick.random() * (0.2 if SHORT else 0.04))  # a slow build
                procs.kill(new.proc.pid, signal.SIGSTOP if i % 4 == 3 else signal.SIGKILL)
                if i % 4 == 3:
                    eventually(lambda: new.proc.poll() is not None, timeout=0.4)
                    procs.kill(new.proc.pid)
                new.exit_code()
                self.assertTrue(eventually(lambda: self.now() == pid))
                outcomes.append(self.receipts()[0]["outcome"] if self.receipts() else None)
            report = run.finish()
        print("killed at any moment: %r; %d ok, %r" % (
            {o: outcomes.count(o) for o in set(outcomes)}, report["ok"], report["by_kind"]),
            flush=True)
        # What the killed process was answering, and connections that were its own.
        self.assertEqual(set(report["by_kind"]) - {"fresh_reset", "eof_before_answer", "partial",
                                                   "reused_reset"}, set(), report)
        self.ours(old)
        self.put("1", "last")
        self.ours(self.one(name="last"))

    def test_a_successor_that_dies_in_the_bake_is_taken_back_with_the_path(self):
        old = self.first(env={"MOLT_SERVER_BAKETIME": "30s"})
        self.put("2", "other")  # the same build is refused for a while
        for name in ("app", "other"):
            new = self.one(name=name)
            procs.kill(new.pid)
            new.exit_code()
            self.assertEqual(self.ours(old), old.pid)
        self.assertEqual(self.receipts()[0]["outcome"], "taken back")
        self.restarted(self.port)

    def test_a_successor_that_is_shut_down_takes_its_predecessor_along(self):
        old = self.first(env={"MOLT_SERVER_BAKETIME": "30s"})
        new = self.one()
        procs.kill(new.pid, signal.SIGTERM)
        self.assertEqual((new.exit_code(), old.exit_code()), (0, 0))
        self.assertFalse(os.path.exists(self.take))

    def test_the_predecessor_killed_at_any_moment(self):
        """Somebody serves afterwards, and only one."""
        for i in range(6 if SHORT else 16):
            old = self.first()
            new = self.one(wait=False)
            time.sleep(i * 0.002)
            procs.kill(old.proc.pid)
            old.exit_code()
            new.wait_listening(1)
            self.assertEqual(self.now(), new.pid)
            self.assertTrue(eventually(self.is_found))  # it may be a first one
            new.stop()

    # -- the path

    def test_a_stale_path_and_one_that_is_something_else(self):
        old = self.first()
        procs.kill(old.pid)
        old.exit_code()
        self.assertTrue(os.path.exists(self.take))
        new = self.first()
        self.assertEqual(self.status(self.port)["generation"], 1)
        self.ours(new)
        new.stop()
        self.write("run/takeover.sock", "no socket")
        srv = self.one(wait=False)
        self.assertEqual(srv.exit_code(), 1)
        self.assertIn("it is no socket", srv.log())
        with open(self.take) as f:
            self.assertEqual(f.read(), "no socket")

    def test_a_directory_that_others_may_write_and_paths_that_cannot_be(self):
        os.mkdir(self.path("open"))
        os.chmod(self.path("open"), 0o777)
        for path, words in ((self.path("open/t"), "nobody else may write"),
                            ("relative", "MOLT_SERVER_TAKEOVER=relative: must be an absolute path"),
                            ("/" + "x" * 200, "must be an absolute path of at most 95 bytes")):
            srv = self.one(env={"MOLT_SERVER_TAKEOVER": path}, wait=False)
            self.assertEqual(srv.exit_code(), 1)
            self.assertIn(words, srv.log())

    def test_without_graceful_it_is_refused(self):
        old = self.first(env={"MOLT_SERVER_GRACEFUL": "false"})
        new = self.one(wait=False)
        self.assertEqual(new.exit_code(), 1)
        self.assertIn("restarts are off there", new.log())
        self.assertEqual(self.ours(old), old.pid)

    def test_whoever_talks_nonsense_there_does_no_harm(self):
        old = self.first()
        before = procs.descriptors(old.pid)
        for text in (b"", b"{}", b"x" * 1000, b'{"type":"takeover"}', b'{"type":"commit"}',
                     b'{"type":"takeover","protocol":99,"exe":"/x"}',
                     b'{"type":"takeover","exe":' + b"[" * 900 + b"]" * 900 + b"}"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.connect(self.take)
                s.send(text)
        silent = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(silent.close)
        silent.connect(self.take)
        # It holds up the next one for two seconds; not for as long as it is there.
        self.assertEqual(self.now(), old.pid)
        new = self.one()
        self.ours(new)
        old.wait_log(r"generation 2 \(pid \d+\) serves")  # so it has lived
        self.assertTrue(before)

    def test_another_user_is_not_let_in(self):
        if os.getuid() != 0:
            self.skipTest("needs root to become another user")
        old = self.first()
        for path in (self.take, os.path.dirname(self.take), self.dir):
            os.chmod(path, 0o777)
        pid = os.fork()
        if pid == 0:  # 0: closed without an answer
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                    s.connect(self.take)
                    s.send(b'{"type":"takeover","protocol":1,"exe":"/x"}')
                    os._exit(9 if s.recv(100) else 0)
            except (BrokenPipeError, ConnectionResetError):
                os._exit(0)
            finally:
                os._exit(1)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        old.wait_log("is of another user")
        self.assertEqual(self.now(), old.pid)

    def test_a_program_that_hangs_is_not_taken_over(self):
        old = self.first()
        procs.pause(old.pid)
        try:
            new = self.one(wait=False)
            self.assertEqual(new.exit_code(20), 1)
            self.assertIn("does not answer", new.log())
        finally:
            procs.kill(old.pid, signal.SIGCONT)
        self.assertEqual(self.ours(old), old.pid)


class OtherSupervisors(Base):
    def below(self, name, env=None, program="app"):
        """Below a supervisor of its own."""
        srv = self.server([*self.run_argv(self.path("app"))][:1] + ["run", "--", self.path(program)],
                          address="127.0.0.1:%d" % self.port, env=self.environment(env))
        self.assertEqual(self.status(self.port)["supervisor_pid"], srv.proc.pid, name)
        return srv

    def crash(self, srv):
        old, since = self.now(), srv.mark()
        procs.kill(old)
        srv.wait_listening(1, since=since, not_pid=old)
        self.assertNotEqual(self.now(), old)

    def test_from_one_supervisor_to_the_next(self):
        one = self.below("one")
        two = self.below("two")
        self.assertEqual(one.exit_code(), 0)
        self.crash(two)
        self.restarted(self.port)
        three = self.below("three")
        self.assertEqual(two.exit_code(), 0)
        self.crash(three)
        self.ours(three)

    def test_to_a_program_without_one_and_back(self):
        one = self.below("one")
        two = self.one()
        self.assertEqual(one.exit_code(), 0)
        self.assertEqual(self.status(self.port)["supervisor_pid"], 0)
        three = self.below("three")
        self.assertEqual(two.exit_code(), 0)
        self.crash(three)

    def test_the_old_supervisor_starts_nothing_while_its_program_drains(self):
        one = self.below("one", env={"MOLT_SERVER_BAKETIME": "30s"})
        first = self.now()
        two = self.below("two")
        procs.kill(first)
        self.assertEqual(one.exit_code(), 128 + 9)
        self.assertIn(self.now(), two.pids())

    def test_taken_back_below_the_old_supervisor(self):
        one = self.below("one", env={"MOLT_SERVER_BAKETIME": "30s"})
        first = self.now()
        two = self.one()
        procs.kill(two.pid)
        two.exit_code()
        self.assertTrue(eventually(lambda: self.now() == first))
        self.crash(one)  # it is started again as ever
        self.ours(one)

    def crash_in_the_bake(self, srv, first):
        """The program of the supervisor srv dies, which has just taken over from first."""
        self.assertIn(self.now(), srv.pids())
        procs.kill(self.now())
        self.assertTrue(eventually(lambda: self.now() == first, 20))

    def fill_the_history(self):
        """So many receipts that the one of the takeover is not among them any more."""
        def outcomes():
            return [r["outcome"] for r in self.receipts()]
        self.assertTrue(eventually(lambda: "taken back" in outcomes()))
        while "taken back" in outcomes():
            self.text(self.port, "/restart?exe=" + self.path("missing"))

    def test_a_crash_below_the_new_supervisor_takes_no_listener_along(self):
        """What its supervisor has kept and what is offered to it are the same sockets."""
        one = self.first(env={"MOLT_SERVER_BAKETIME": "60s"})
        self.write("script", "#!/bin/sh\nexec %s\n" % self.path("app"), 0o755)
        two = self.below("two", program="script")
        self.crash_in_the_bake(two, one.pid)
        self.put("2")  # another build may come again at once
        self.assertTrue(eventually(lambda: self.now() != one.pid, 20))
        self.crash_in_the_bake(two, one.pid)
        self.ours(one)

    def test_what_was_taken_back_is_refused_for_a_while(self):
        one = self.first(env={"MOLT_SERVER_BAKETIME": "60s"})
        first = one.pid
        two = self.below("two")
        self.crash_in_the_bake(two, first)
        two.wait_log("this program was taken back .* it may take over again in [0-9]+ s")
        two.wait_log("refuses the takeover: .*; it is started again in 200 ms")
        self.assertEqual([r["outcome"] for r in self.receipts()], ["taken back"])
        self.assertEqual(self.now(), first)
        self.fill_the_history()
        since = two.mark()
        two.wait_log("this program was taken back .* it may take over again", since=since)
        self.assertEqual(self.now(), first)
        self.put("2", "new")
        self.one(name="new")
        self.assertNotEqual(self.now(), first)

    def test_across_namespaces(self):
        """As between containers: each is pid 1 there, supervises itself, and the first
        cannot see the second, which has a network of its own, where nobody can say whose a
        connection to the listener from outside is: the admin API wants a token."""
        needs_own_pids()
        token = {"MOLT_SERVER_ADMINTOKEN": "a-token-known-outside"}
        bearer = (("Authorization", "Bearer a-token-known-outside"),)

        def state():
            return self.admin(self.port, "status", "GET", headers=bearer).json["state"]
        one = self.first(*OWN_PIDS, env=token)
        with load.Running(self.port, "reused", 4, mix="get", timeout=20 * SLOW) as run:
            time.sleep(0.2)
            two = self.one(*OWN_PIDS, "--net", env=token)
            self.assertEqual(one.exit_code(), 0)
            report = run.finish()
        self.assertEqual((report["failed"], report["reconnects"]), (0, 0), report)
        self.put_bad("never_ready")
        bad = self.one(*OWN_PIDS, name="never_ready", env=token, wait=False)
        self.assertTrue(eventually(lambda: state() == "restarting"))
        for pid in bad.pids():
            procs.kill(pid)
        bad.exit_code()
        self.assertTrue(eventually(lambda: state() == "serving"))
        three = self.one()  # outside, where it can be seen from nowhere inside
        self.assertEqual(two.exit_code(), 0)
        self.ours(three)

    def test_the_service_manager_is_told_the_truth(self):
        peer = notify.Peer(self.path("notify"))
        self.addCleanup(peer.close)
        one = self.first(env={"NOTIFY_SOCKET": peer.path})
        at, _ = peer.wait(pid=one.pid, READY="1")
        pid = one.pid
        self.one()
        at, _ = peer.wait(at, pid=pid, RELOADING="1")
        at, told = peer.wait(at, pid=pid, READY="1")
        self.assertIn("Taken over by", told["STATUS"])
        self.assertEqual(one.exit_code(), 0)
        self.assertFalse([m for m in peer.read() if "MAINPID" in m])


if __name__ == "__main__":
    main()
