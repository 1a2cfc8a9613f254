"""Uploads, chunked bodies and answers, slow readers through restarts: none fails, none
is truncated, and each request was executed exactly once, in whatever process."""
import collections
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import SHORT, SLOW, eventually, main  # noqa: E402
from release import RestartCase  # noqa: E402

RESTARTS = int(os.environ.get("MOLT_ONCE_RESTARTS", "4" if SHORT else "10"))
EACH = 1 if SHORT else 3  # clients of each kind
PATTERN = b"abcdefghijklmnopqrstuvwxyz" * 50000


class Client(threading.Thread):
    """Requests of one kind, one after the other, on one connection, until stop."""

    def __init__(self, case, port, kind, number):
        super().__init__(daemon=True)
        self.case, self.port, self.kind, self.number = case, port, kind, number
        self.random = random.Random(number)
        self.ids, self.failure, self.reconnects = [], None, 0
        self.stop = False

    def run(self):
        try:
            conn = self.case.connect(self.port, timeout=20 * SLOW,
                                     rcvbuf=4096 if self.kind == "slow_reader" else None)
            while not self.stop:
                self.ids.append("%s.%d.%d" % (self.kind, self.number, len(self.ids)))
                answer = getattr(self, self.kind)(conn)
                self.check(answer)
                if answer.closes:
                    self.reconnects += 1
                    conn = self.case.connect(self.port, timeout=20 * SLOW)
        except Exception as e:  # told by the test
            self.failure = "%s: %r" % (self.ids[-1:], e)

    def check(self, answer):
        said = (answer.status, answer.get("x-id"), answer.get("x-read"), len(answer.body))
        wanted = (200, self.ids[-1], str(self.sent), self.out)
        if said != wanted or answer.body != PATTERN[:self.out]:
            raise AssertionError("%r instead of %r" % (said, wanted))

    def begin(self, conn, sent=0, out=0, query="", fields=""):
        self.sent, self.out = sent, out
        if "Transfer" not in fields:
            fields += "Content-Length: %d\r\n" % sent
        conn.send("POST /once?id=%s&out=%d%s HTTP/1.1\r\nHost: a\r\n%s\r\n" % (
            self.ids[-1], out, query, fields))

    def pause(self):
        time.sleep(self.random.random() * 0.02)

    def pieces(self, size):
        at = 0
        while at < size:
            n = min(size - at, self.random.randrange(1, 40000))
            yield PATTERN[at:at + n]
            at += n

    # -- kinds

    def upload(self, conn):
        size = self.random.randrange(16 << 10, 1 << 20)
        self.begin(conn, size)
        for piece in self.pieces(size):
            conn.send(piece)
            self.pause()
        return conn.answer("POST")

    def expected(self, conn):
        size = self.random.randrange(16 << 10, 256 << 10)
        self.begin(conn, size, fields="Expect: 100-continue\r\n")
        interim = conn.head()
        if interim.status != 100:
            raise AssertionError(repr(interim))
        self.pause()
        conn.send(PATTERN[:size])
        return conn.answer("POST")

    def chunked(self, conn):
        size = self.random.randrange(16 << 10, 256 << 10)
        self.begin(conn, size, fields="Transfer-Encoding: chunked\r\n")
        for piece in self.pieces(size):
            conn.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.pause()
        conn.send(b"0\r\n\r\n")
        return conn.answer("POST")

    def chunked_answer(self, conn):
        self.begin(conn, 0, 100000, "&pieces=20&gap=%d" % self.random.randrange(1, 30))
        return conn.answer("POST")

    def slow_reader(self, conn):
        self.begin(conn, 0, 1 << 20)
        answer = conn.head()
        while len(conn.buf) < self.out and conn._more():
            time.sleep(0.001)
        answer.body = conn.body(answer)
        return answer

    def late(self, conn):
        self.begin(conn, 1000, 1000, "&ms=%d" % self.random.randrange(1, 400))
        conn.send(PATTERN[:1000])
        return conn.answer("POST")


KINDS = ("upload", "expected", "chunked", "chunked_answer", "slow_reader", "late")


class Once(RestartCase):
    def test_each_is_executed_once_and_answered_whole(self):
        self.put("1")
        count = self.write("executed", "")
        srv = self.server(self.path("app"), env={"APP_EXECUTED": count})
        clients = [Client(self, srv.port, kind, i) for i in range(EACH) for kind in KINDS]
        for c in clients:
            c.start()
        pids = {srv.pid}
        for i in range(RESTARTS):
            time.sleep(0.2 + random.random() * 0.3)
            self.put("12"[i % 2])
            pids.add(srv.restart())
        time.sleep(0.3)
        for c in clients:
            c.stop = True
        for c in clients:
            c.join(30 * SLOW)
        asked = [i for c in clients for i in c.ids]
        with open(count) as f:
            executed = collections.Counter(f.read().split())
        print("%d requests of %s; %d restarts, %d reconnects" % (
            len(asked), ", ".join(KINDS), RESTARTS, sum(c.reconnects for c in clients)), flush=True)
        self.assertEqual([c.failure for c in clients if c.failure], [], srv.log()[-3000:])
        self.assertFalse(any(c.is_alive() for c in clients))
        self.assertEqual(len(pids), RESTARTS + 1)
        self.assertEqual([i for i, n in executed.items() if n != 1], [], "executed again")
        self.assertEqual(set(asked), set(executed))
        self.assertEqual(sum(c.reconnects for c in clients), 0)
        self.assertTrue(eventually(lambda: srv.pids() == [srv.pid], 10), "an old one stays")


if __name__ == "__main__":
    main()
