"""Kept connections through restarts that come before the last one's predecessor has ended,
through programs that are taken back, and through both: each goes on, or the answer before
its end says so."""
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import SHORT, SLOW, eventually, main  # noqa: E402
from release import RestartCase  # noqa: E402

RESTARTS = int(os.environ.get("MOLT_CHAIN_RESTARTS", "6" if SHORT else "12"))
CLIENTS = 16


class Client(threading.Thread):
    def __init__(self, case, srv, number):
        super().__init__(daemon=True)
        self.case, self.srv, self.dice = case, srv, random.Random(number)
        self.stop, self.requests, self.ends, self.closes = False, 0, [], 0
        self.slow = number % 4 == 0

    def run(self):
        conn = self.case.connect(self.srv.port, timeout=20 * SLOW)
        pid = 0
        while not self.stop:
            began = time.time()
            try:
                path = "/id?id=1&ms=%d" % self.dice.randrange(300) if self.slow else "/pid"
                answer = conn.request("GET", path)
            except Exception as e:  # told by the test
                self.ends.append("%.3f %r after %d requests, port %d, last answered by %s" % (
                    began, e, self.requests, conn.local_port(), pid))
                conn = self.case.connect(self.srv.port, timeout=20 * SLOW)
                continue
            self.requests += 1
            pid = answer.body
            if answer.closes:
                self.closes += 1
                conn = self.case.connect(self.srv.port, timeout=20 * SLOW)
            time.sleep(self.dice.choice((0, 0.01, 0.05, 0.2)))


class Chain(RestartCase):
    def play(self, act):
        self.put("1")
        srv = self.app(env={"MOLT_SERVER_BAKETIME": "700ms",
                            "MOLT_SERVER_MAXGENERATIONS": "4"})
        clients = [Client(self, srv, i) for i in range(CLIENTS)]
        for c in clients:
            c.start()
        for i in range(RESTARTS):
            act(srv, i)
        for c in clients:
            c.stop = True
        for c in clients:
            c.join(30 * SLOW)
        print("%d requests, %d announced ends" % (sum(c.requests for c in clients),
                                                  sum(c.closes for c in clients)))
        ends = [e for c in clients for e in c.ends]
        self.assertEqual(ends, [], "\n".join(ends) + "\n" + "\n".join(
            line for line in srv.log().splitlines() if "|" not in line)[-6000:])

    def test_the_middle_generation_dies(self):
        """Its predecessor still has requests, and nobody to give their connections to."""
        srv = self.app(env={"MOLT_SERVER_MAXGENERATIONS": "4"})
        conn = self.connect(srv, timeout=20 * SLOW)
        conn.send(b"GET /id?id=1&ms=1500 HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertTrue(eventually(lambda: self.status(srv)["servers"][0]["requests"] > 1))
        middle = self.restarted(srv)
        self.restarted(srv)
        os.kill(middle, signal.SIGKILL)
        answer = conn.answer()
        self.assertEqual((answer.status, answer.closes), (200, True), srv.log()[-2500:])

    def test_replaced_again_before_the_predecessor_has_ended(self):
        dice = random.Random(1)

        def act(srv, i):
            self.restarted(srv)
            time.sleep(dice.random() * 0.3)
        self.play(act)

    def test_taken_back_again_and_again(self):
        dice = random.Random(2)

        def act(srv, i):
            self.restarted(srv)
            time.sleep(dice.random() * 0.2)
            if dice.random() < 0.6:
                self.admin(srv, "rollback")
                time.sleep(dice.random() * 0.1)
        self.play(act)


if __name__ == "__main__":
    main()
