"""Pipelines that end in every way travel through restarts and rollbacks: whole requests
that were read and not begun, the last request, the client's end, a reset.  No valid HTTP of
a client makes a restart fail, and every request that came whole is answered once."""
import os
import random
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import SHORT, SLOW, eventually, main  # noqa: E402
from release import RestartCase  # noqa: E402

CLIENTS = 100
ROUNDS = 1 if SHORT else 2
GET = b"GET /pid HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /pid HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class Client:
    """A pipeline of 32 requests, a turn's worth, some times, and a few more."""

    def __init__(self, case, srv, dice):
        self.n = 32 * dice.randrange(4, 25) + dice.randrange(0, 12)
        self.resets = dice.random() < 0.2
        self.closes = dice.random() < 0.8
        self.ends = dice.random() < 0.8
        self.conn = case.connect(srv, timeout=20 * SLOW)

    def send(self):
        self.conn.send(GET * self.n + (LAST if self.closes else b""))
        if self.resets:
            self.conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.conn.sock.close()
        elif self.ends:
            self.conn.half_close()

    def check(self, case, pids):
        if self.resets:
            return
        if self.closes or self.ends:
            got = self.conn.rest(20 * SLOW)
            case.assertIsNotNone(got, "it does not end")
            answers = got.split(b"HTTP/1.1 ")[1:]
            case.assertEqual(len(answers), self.n + self.closes)
        else:
            answers = [b"%d %s" % (a.status, a.body) for a in
                       (self.conn.answer() for _ in range(self.n))]
        case.assertEqual({a[:3] for a in answers}, {b"200"})
        case.assertLessEqual({int(a.split()[-1]) for a in answers}, pids)


class Pipelines(RestartCase):
    def flood(self, srv, act):
        """act() while clients send."""
        dice = random.Random(self.round)
        self.round += 1
        clients = [Client(self, srv, dice) for _ in range(CLIENTS)]
        half = threading.Event()

        def send():
            for i, c in enumerate(clients):
                c.send()
                if i == CLIENTS // 4:
                    half.set()
        sender = threading.Thread(target=send)
        sender.start()
        half.wait()
        act()
        sender.join()
        self.pids.add(self.serving_pid(srv))
        for c in clients:
            c.check(self, self.pids)

    def test_no_pipeline_makes_a_restart_or_a_rollback_fail(self):
        srv = self.app(env={"MOLT_SERVER_BAKETIME": "60s", "MOLT_SERVER_LOOPS": "1"})
        self.round, self.pids = 0, {srv.pid}
        for _ in range(ROUNDS):
            first = self.serving_pid(srv)
            self.flood(srv, lambda: self.restarted(srv))
            self.flood(srv, lambda: self.assertEqual(
                self.admin(srv, "rollback").status, 200))
            self.assertEqual(self.serving_pid(srv), first)
            self.assertTrue(eventually(lambda: srv.pids() == [first], 10))


if __name__ == "__main__":
    main()
