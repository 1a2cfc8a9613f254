"""kill -9 in the middle of a restart: of the successor before it serves, of the
predecessor after the switch; and of either at random moments under load."""
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
from case import SHORT, SLOW, eventually, main  # noqa: E402
from release import RestartCase, free_ports  # noqa: E402


class Kills(RestartCase):
    def test_the_successor_killed_while_it_starts(self):
        srv = self.app()
        old = srv.pid
        exe = self.put_bad("never_ready")
        results = []
        caller = threading.Thread(target=lambda: results.append(self.restart_api(srv, exe)))
        caller.start()
        self.assertTrue(eventually(
            lambda: (self.status(srv)["restart"] or {}).get("phase") == "INIT", 30))
        child = [p for p in srv.pids() if p != old][0]
        procs.kill(child)
        caller.join()
        self.assertEqual(results[0].status, 502, results[0])
        self.assertEqual(results[0].json["receipt"]["signal"], 9)
        self.assertEqual(self.serving_pid(srv), old)
        self.restarted(srv)

    def test_the_predecessor_killed_after_the_switch(self):
        srv = self.app()
        old = srv.pid
        self.held(srv)
        new = self.restarted(srv)
        procs.kill(old)
        srv.exit_code()
        self.assertEqual(self.serving_pid(srv), new)
        newer = self.restarted(srv)
        self.assertNotEqual(newer, new)
        self.assertTrue(procs.wait_gone(new, 20 * SLOW))

    def answers(self, port):
        try:
            return self.text(port, "/build") == "1\n"
        except ConnectionError:
            return False

    def test_the_predecessor_killed_while_the_successor_starts(self):
        # The successor takes over, whatever it had got by then, or it ends: never
        # is the port held by a mute process.
        port, = free_ports(1)
        for i in range(4 if SHORT else 15):
            srv = self.app(address="127.0.0.1:%d" % port)
            os.kill(srv.pid, signal.SIGUSR2)
            time.sleep(i * 0.0007)
            procs.kill(srv.proc.pid)
            srv.proc.wait()
            self.assertTrue(eventually(lambda: not srv.pids() or self.answers(port), 30), srv.log())
            if srv.pids():
                since = srv.mark()
                os.kill(srv.pids()[0], signal.SIGUSR2)
                srv.wait_log("server restarted listening", since=since)
                self.assertTrue(self.answers(port))
            srv.stop()

    def test_the_successor_killed_at_random_moments(self):
        # Before the switch the old one goes on; after it the service is gone
        # with the process that had it, as with any kill -9.
        rng = random.Random(7)
        for _ in range(6 if SHORT else 20):
            srv = self.app()
            old = srv.pid
            os.kill(old, signal.SIGUSR2)
            child = eventually(lambda: [p for p in srv.pids() if p != old], 30, step=0.0005)
            time.sleep(rng.random() * 0.02)
            for pid in child or []:
                procs.kill(pid)
            # Another restart would join this one until it has ended, one way or the other.
            srv.wait_log("%d: (event drain|.*restart failed in phase)" % old)
            if "%d: event drain" % old not in srv.log():
                self.assertEqual(self.serving_pid(srv), old)
                self.restarted(srv)
            srv.stop()

    def test_both_killed_leaves_nobody(self):
        srv = self.app()
        os.kill(srv.pid, signal.SIGUSR2)
        time.sleep(0.005)

        def nobody():
            left = srv.pids()
            for pid in left:
                procs.kill(pid)
            return not left

        self.assertTrue(eventually(nobody, 30), srv.pids())


if __name__ == "__main__":
    main()
