"""A stop that reaches every generation at once, as service managers and containers send
it: nothing that runs is cut, and the status is that of who served."""
import os
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
from case import SLOW, eventually, main  # noqa: E402
from supervised import SupervisedCase  # noqa: E402

BAKE = {"MOLT_SERVER_BAKETIME": "30s"}
DRAIN = {"MOLT_SERVER_BAKETIME": "0s"}


class StopAll(SupervisedCase):
    def running(self, srv):
        """A request that is held in the generation that serves; (it, pid)."""
        pid = self.serving_pid(srv.port)
        return self.held(srv.port), pid

    def whole(self, running):
        held, pid = running
        answer = held.answer()
        self.assertEqual((answer.status, answer.body), (200, b"%d\n%d\n" % (pid, pid)))

    def two_generations(self, srv):
        old = self.running(srv)
        self.restarted(srv.port)
        return old, self.running(srv)

    def gone(self, *running):
        for _, pid in running:
            self.assertTrue(procs.wait_gone(pid, 10 * SLOW))

    def test_a_term_to_the_new_and_then_to_the_old_generation(self):
        """The old one knows already that the new one shuts down."""
        for env in (BAKE, DRAIN):
            srv = self.app(env=env)
            old, new = self.two_generations(srv)
            os.kill(new[1], signal.SIGTERM)
            srv.wait_log(r"%d: server shutting down" % new[1])
            # New clients are refused when the new one has closed its listener and the
            # old one has heard of it.
            self.assertTrue(eventually(lambda: self.refused(srv.port)))
            os.kill(old[1], signal.SIGTERM)
            srv.wait_log(r"%d: server shutting down" % old[1])
            self.whole(old)
            self.whole(new)
            self.gone(old, new)
            srv.stop()

    def test_a_term_to_the_old_and_then_to_the_new_generation(self):
        for env in (BAKE, DRAIN):
            srv = self.app(env=env)
            old, new = self.two_generations(srv)
            os.kill(old[1], signal.SIGTERM)
            srv.wait_log(r"%d: server shutting down" % old[1])
            os.kill(new[1], signal.SIGTERM)
            srv.wait_log(r"%d: server shutting down" % new[1])
            self.whole(old)
            self.whole(new)
            self.gone(old, new)
            srv.stop()

    def test_a_second_term_cuts(self):
        srv = self.app(env=BAKE)
        old = self.running(srv)
        new = self.restarted(srv)
        os.kill(new, signal.SIGTERM)
        self.assertTrue(procs.wait_gone(new, 10 * SLOW))
        os.kill(old[1], signal.SIGTERM)
        srv.wait_log(r"%d: server shutting down" % old[1])
        # Signals of one moment are one request.
        self.assertFalse(procs.wait_gone(old[1], 0.3))
        os.kill(old[1], signal.SIGTERM)
        self.gone(old)

    def test_below_the_supervisor(self):
        for env in (BAKE, DRAIN):
            srv = self.supervised(env=env)
            old, new = self.two_generations(srv)
            os.kill(srv.proc.pid, signal.SIGTERM)
            for _, pid in (old, new):
                srv.wait_log(r"%d: server shutting down" % pid)
            self.whole(old)
            self.whole(new)
            self.assertEqual(srv.exit_code(), 0, srv.log())
            self.nobody(srv)
            srv.stop()

    def test_below_the_supervisor_without_requests(self):
        srv = self.supervised(env=BAKE)
        self.restarted(srv)
        os.kill(srv.proc.pid, signal.SIGTERM)
        self.assertEqual(srv.exit_code(), 0, srv.log())
        self.nobody(srv)

    def test_the_status_of_a_successor_that_a_signal_ends_while_all_stop(self):
        srv = self.supervised(env=BAKE)
        old = self.running(srv)
        self.restarted(srv.port)
        new = self.running(srv)
        os.kill(srv.proc.pid, signal.SIGTERM)
        srv.wait_log(r"%d: server shutting down" % new[1])
        os.kill(new[1], signal.SIGKILL)
        self.whole(old)
        self.assertEqual(srv.exit_code(), 128 + signal.SIGKILL, srv.log())
        self.nobody(srv)

    def refused(self, port):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) != 0


if __name__ == "__main__":
    main()
