"""Signals: TERM, INT, QUIT and HUP finish what runs and end the process, a
second one ends it at once; USR1 and USR2 restart."""
import os
import re
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
from case import SLOW, Case, eventually, main, program  # noqa: E402
from rawhttp import Broken  # noqa: E402
from release import free_ports, wait_open  # noqa: E402

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


class Signals(Case):
    def app(self, **env):
        return self.server(program("test/programs/app"), env=env)

    def test_each_of_them_finishes_what_runs(self):
        for sig in ENDING:
            with self.subTest(sig.name):
                srv = self.app()
                pid = srv.pid
                running = self.held(srv)
                stream = self.held(srv, "/stream?n=5&ms=10")
                os.kill(pid, sig)
                srv.wait_log("server shutting down")
                answer = running.answer()
                self.assertEqual(answer.body, b"%d\n%d\n" % (pid, pid))
                self.assertEqual(len(stream.answer().body.splitlines()), 5)
                self.assertEqual(srv.exit_code(30), 0)
                self.assertIn("all servers shutdown", srv.log())

    def test_idle_connections_do_not_hold_the_end(self):
        srv = self.app(MOLT_SERVER_GRACEFULSHUTDOWNTIMEOUT="600s",
                       MOLT_SERVER_IDLETIMEOUT="600s")
        idle = [self.connect(srv) for _ in range(10)]
        for conn in idle:
            conn.request("GET", "/")
        os.kill(srv.pid, signal.SIGTERM)
        self.assertEqual(srv.exit_code(60), 0)

    def test_an_answer_in_the_shutdown_announces_the_close(self):
        srv = self.app()
        running, idle = self.held(srv), self.connect(srv)
        idle.request("GET", "/pid")
        os.kill(srv.pid, signal.SIGTERM)
        self.assertTrue(idle.closed())  # after all loops know of the close
        answer = running.answer()
        self.assertTrue(answer.closes, answer)
        self.assertTrue(running.conn.closed())

    def test_new_connections_are_refused_in_the_shutdown(self):
        srv = self.app()
        running = self.held(srv)
        port = srv.port
        os.kill(srv.pid, signal.SIGTERM)

        def refused():
            try:
                self.connect(port).close()
            except ConnectionRefusedError:
                return True
        self.assertTrue(eventually(refused, 30))
        self.assertEqual(running.answer().status, 200)

    def test_a_second_one_ends_at_once(self):
        for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)):
            srv = self.app(MOLT_SERVER_GRACEFULSHUTDOWNTIMEOUT="600s")
            running = self.held(srv)  # for ever
            os.kill(srv.pid, first)
            srv.wait_log("server shutting down")
            time.sleep(0.3)  # signals of one moment are one request
            self.assertTrue(procs.alive(srv.pid))
            os.kill(srv.pid, second)
            srv.exit_code(60)
            with self.assertRaises((Broken, ConnectionResetError)):
                running.conn.answer()

    def test_two_at_once_are_one_request(self):
        srv = self.app()
        running = self.held(srv)
        os.kill(srv.pid, signal.SIGINT)
        os.kill(srv.pid, signal.SIGTERM)
        srv.wait_log("server shutting down")
        self.assertEqual(running.answer().status, 200)
        self.assertEqual(srv.exit_code(), 0)

    def test_the_shutdown_has_a_deadline(self):
        srv = self.app(MOLT_SERVER_GRACEFULSHUTDOWNTIMEOUT="1s")
        self.held(srv)  # for ever
        start = time.monotonic()
        os.kill(srv.pid, signal.SIGTERM)
        srv.exit_code(60)
        self.assertGreater(time.monotonic() - start, 0.8)
        self.assertRegex(srv.log(), r"1 running request was cut")

    def test_the_events_come_in_order(self):
        srv = self.app()
        os.kill(srv.pid, signal.SIGTERM)
        srv.exit_code()
        log = srv.log()
        places = [log.index("event " + e) for e in ("ready", "drain", "exit")]
        self.assertEqual(places, sorted(places))

    def test_usr1_and_usr2_restart(self):
        for sig in (signal.SIGUSR1, signal.SIGUSR2):
            srv = self.app()
            old = srv.pid
            new = srv.restart(sig)
            self.assertNotEqual(new, old)
            self.assertEqual(self.serving_pid(srv), new)
            srv.wait_log("%d: server reloading" % old)
            self.assertTrue(procs.wait_gone(old, 5 * SLOW))
            os.kill(new, signal.SIGTERM)
            self.assertTrue(srv.wait_empty(5))
            self.assertEqual(procs.exit_status(new), 0)

    def test_what_a_handler_starts_ends_when_its_reader_has_gone(self):
        text = self.text(self.app(), "/child-signals")
        sets = {name: int(value, 16) for name, value in re.findall(r"^(Sig\w+):\s+(\w+)$", text, re.M)}
        for name in ("SigIgn", "SigBlk"):
            self.assertEqual(sets[name] >> (signal.SIGPIPE - 1) & 1, 0, text)

    def test_without_graceful_usr1_only_says_so(self):
        srv = self.app(MOLT_SERVER_GRACEFUL="false")
        for sig in (signal.SIGUSR1, signal.SIGUSR2):
            since = srv.mark()
            os.kill(srv.pid, sig)
            srv.wait_log(r"\[WARN\].*graceful", since=since)
        self.assertEqual(self.serving_pid(srv), srv.pid)
        self.assertEqual(len(srv.generations()), 1)

    def test_a_signal_right_at_the_start_is_not_lost_and_kills_nothing_half(self):
        for delay in (0, 0.002, 0.01, 0.03):
            srv = self.spawned(program("test/programs/app"))
            time.sleep(delay)
            os.kill(srv.proc.pid, signal.SIGTERM)
            self.assertIn(srv.exit_code(5), (0, -signal.SIGTERM), srv.log())

    def test_a_storm_of_signals_harms_nothing(self):
        srv = self.app()

        def storm():
            end = time.monotonic() + 1
            while time.monotonic() < end:
                for pid in srv.pids():
                    try:
                        os.kill(pid, signal.SIGUSR1)
                    except ProcessLookupError:
                        pass
                time.sleep(0.01)

        thread = threading.Thread(target=storm)
        thread.start()
        while thread.is_alive():
            self.assertEqual(self.fetch(srv, "/build").body, b"1\n")
        thread.join()
        time.sleep(1)  # for a wrong one, to end
        self.assertEqual(self.text(srv, "/build"), "1\n")

    def opened(self):
        """A server whose port has opened this moment."""
        port, = free_ports(1)
        srv = self.spawned(program("test/programs/app"), address="127.0.0.1:%d" % port)
        return srv, port, wait_open(port)

    def test_those_that_come_when_the_port_opens_are_answered(self):
        for sig in ENDING * 2:
            with self.subTest(sig.name):
                srv, _, conn = self.opened()
                os.kill(srv.proc.pid, sig)
                conn.close()
                self.assertEqual(srv.exit_code(10), 0)

    def test_a_restart_by_a_signal_when_the_port_opens(self):
        for sig in (signal.SIGUSR1, signal.SIGUSR2) * 3:
            with self.subTest(sig.name):
                srv, port, conn = self.opened()
                conn.close()
                os.kill(srv.proc.pid, sig)
                self.assertEqual(srv.exit_code(20), 0)
                self.assertNotEqual(self.serving_pid(port), srv.proc.pid)
                srv.stop()

    def test_a_restart_by_a_signal_long_before_the_port_opens(self):
        port, = free_ports(1)
        srv = self.spawned(program("test/programs/app"), address="127.0.0.1:%d" % port,
                           env={"APP_SLOW_START": "300"})
        self.assertTrue(eventually(lambda: "slow start" in srv.log()))
        os.kill(srv.proc.pid, signal.SIGUSR1)
        self.assertEqual(srv.exit_code(20), 0)
        self.assertNotEqual(self.serving_pid(port), srv.proc.pid)

    def test_a_restart_by_request_when_the_port_opens(self):
        for _ in range(5):
            srv, port, conn = self.opened()
            conn.close()
            answer = self.admin(port, "restart")
            self.assertEqual(answer.status, 200, answer)
            srv.stop()

    def test_sigpipe_and_sigchld_end_nobody(self):
        srv = self.app()
        os.kill(srv.pid, signal.SIGPIPE)
        os.kill(srv.pid, signal.SIGCHLD)
        time.sleep(0.2)  # for a wrong one, to end
        self.assertEqual(self.text(srv, "/build"), "1\n")


if __name__ == "__main__":
    main()
