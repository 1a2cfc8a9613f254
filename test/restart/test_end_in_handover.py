"""The end of a process or of one of its servers while connections are being restored in it:
what it has not taken goes on where it was, and nobody dies of it."""
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
import ws  # noqa: E402
from case import SLOW, eventually, main  # noqa: E402
from release import RestartCase  # noqa: E402


class EndInHandover(RestartCase):
    """restore() of the first socket takes a while; behind it come others, an event stream, a
    request in steps and idle connections."""

    def setUp(self):
        super().setUp()
        self.srv = self.app(env={"MOLT_SERVER_BAKETIME": "0s", "APP_RESTORE_MS": "700",
                                 "MOLT_SERVER_GRACEFULSHUTDOWNTIMEOUT": "20s"})
        address = ("127.0.0.1", self.srv.port)
        self.old = self.srv.pid
        self.sockets = [ws.WebSocket(address, "/ws/count") for _ in range(3)]
        self.stream = ws.EventStream(address, "/events?topic=t")
        for w in self.sockets:
            self.addCleanup(w.close_socket)
        self.addCleanup(self.stream.close)
        self.idle = self.connect(self.srv)
        self.idle.request("GET", "/pid")
        self.step = self.held(self.srv, "/step/pids")

    def restore(self):
        """Begins a restart, and returns when the successor restores; its pid."""
        answers = []
        thread = threading.Thread(target=lambda: answers.append(self.restart_api(self.srv)))
        thread.start()
        self.addCleanup(thread.join)
        self.srv.wait_log("restoring")
        self.answers, self.thread = answers, thread
        return self.srv.wait_listening(not_pid=self.old)[0].pid

    def all_end_well(self, new):
        """The step is answered by one of the two, the rest is told."""
        answer = self.step.answer()
        self.assertEqual(answer.status, 200, answer)
        for pid in answer.body.split():
            self.assertIn(int(pid), (self.old, new))
        for w in self.sockets:
            self.assertIn(w.closed(10 * SLOW), (1001, 1012))
        self.assertTrue(self.idle.closed(10 * SLOW))
        self.assertTrue(eventually(self.srv.nobody_left, 15), self.srv.log()[-3000:])
        self.assertRegex(self.srv.log(), "%d: event exit" % new)
        self.assertEqual(self.srv.exit_code(), 0, self.srv.log()[-3000:])

    def test_sigterm_to_the_successor(self):
        new = self.restore()
        os.kill(new, signal.SIGTERM)
        self.all_end_well(new)

    def test_sigterm_to_a_successor_that_has_ended_when_its_predecessor_looks(self):
        new = self.restore()
        procs.pause(self.old)
        try:
            os.kill(new, signal.SIGTERM)
            self.srv.wait_log("%d: event exit" % new)
            self.assertTrue(eventually(lambda: procs.state(new) == "Z", 10))
        finally:
            os.kill(self.old, signal.SIGCONT)
        self.all_end_well(new)
        self.thread.join()
        self.assertEqual(self.answers[0].status, 200, self.answers)

    def test_the_successors_server_is_stopped(self):
        new = self.restore()
        self.assertEqual(self.text(self.srv, "/stop").strip(), "0")
        self.all_end_well(new)

    def test_a_second_sigterm_does_not_wait_for_what_is_restored(self):
        new = self.restore()
        os.kill(new, signal.SIGTERM)
        os.kill(new, signal.SIGTERM)
        self.step.release()  # its predecessor may have the step
        self.assertTrue(eventually(self.srv.nobody_left, 15), self.srv.log()[-3000:])
        self.assertRegex(self.srv.log(), "%d: (event exit|a handler did not return)" % new)


if __name__ == "__main__":
    main()
