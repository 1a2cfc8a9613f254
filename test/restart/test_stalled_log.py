"""Whoever reads standard output and error has stopped reading, and the pipe is full: requests,
signals, restarts and the end go on as ever."""
import fcntl
import os
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
from case import SHORT, SLOW, eventually, main  # noqa: E402
from release import free_ports  # noqa: E402
from supervised import SupervisedCase  # noqa: E402

F_SETPIPE_SZ = 1031


class StalledReader(SupervisedCase):
    def stalled(self, supervised=False, **env):
        """A program that logs each request to a pipe that is full already."""
        self.put("1")
        self.reader, writer = os.pipe()
        self.addCleanup(os.close, self.reader)
        fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)
        os.write(writer, b"x" * 4096)
        self.port, = free_ports(1)
        argv = [self.path("app")]
        srv = self.spawned(self.run_argv(*argv) if supervised else argv, stdout=writer,
                           address="127.0.0.1:%d" % self.port,
                           env=dict(env, MOLT_SERVER_ACCESSLOGENABLED="true"))
        os.close(writer)
        self.assertTrue(eventually(self.listens, 10), "it does not serve")
        return srv

    def listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def serving_pid_now(self):
        try:
            return self.serving_pid(self.port)
        except OSError:
            return None

    def replaced(self, old):
        return eventually(lambda: self.serving_pid_now() not in (None, old), 10)

    def many_requests(self):
        """More lines than a pipe of the usual size holds, answered and refused."""
        conn = self.connect(self.port)
        for _ in range(100 if SHORT else 1000):
            self.assertEqual(conn.request("GET", "/pid").status, 200)
        for _ in range(100 if SHORT else 800):
            bad = self.connect(self.port)
            bad.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n")
            self.assertEqual(bad.answer().status, 400)
            bad.close()

    def test_requests_restart_and_stop(self):
        self.stalled()
        self.many_requests()
        old = self.serving_pid(self.port)
        os.kill(old, signal.SIGUSR1)
        self.assertTrue(self.replaced(old), "USR1 has no effect")
        self.assertTrue(procs.wait_gone(old, 5 * SLOW), "the predecessor does not end")
        self.many_requests()
        new = self.serving_pid(self.port)
        os.kill(new, signal.SIGTERM)
        self.assertTrue(procs.wait_gone(new, 3 * SLOW), "TERM has no effect")
        self.assertEqual(procs.exit_status(new), 0)

    def test_below_the_supervisor(self):
        srv = self.stalled(supervised=True)
        self.many_requests()
        old = self.serving_pid(self.port)
        os.kill(old, signal.SIGKILL)
        self.assertTrue(self.replaced(old), "nobody serves after kill -9")
        old = self.serving_pid(self.port)
        os.kill(srv.proc.pid, signal.SIGUSR1)
        self.assertTrue(self.replaced(old), "USR1 has no effect")
        os.kill(srv.proc.pid, signal.SIGTERM)
        self.assertEqual(srv.exit_code(3), 0)
        self.nobody(srv)

    def test_a_bad_program_that_says_much_is_refused(self):
        srv = self.stalled(supervised=True, MOLT_SERVER_READYTIMEOUT="1s")
        self.write("new", "#!/bin/sh\nwhile echo words that nobody reads; do :; done >&2\n", 0o755)
        os.rename(self.path("new"), self.path("app"))
        answer = self.admin(self.port, "restart")
        self.assertNotEqual(answer.status, 200)
        self.assertIn("words that nobody reads", answer.body.decode())
        os.kill(srv.proc.pid, signal.SIGTERM)
        self.assertEqual(srv.exit_code(3), 0)


if __name__ == "__main__":
    main()
