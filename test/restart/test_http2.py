"""HTTP/2 connections at a restart: they do not move yet, so they end by the book, and their clients
lose nothing."""
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import SHORT, Case, eventually, main, program  # noqa: E402
from h2 import H2, Ended  # noqa: E402

LAST = 0x7fffffff


class Book(threading.Thread):
    """A client that opens another connection when it is told GOAWAY, and sends nothing twice unless the server
    says that it has not looked at it."""

    def __init__(self, port):
        super().__init__()
        self.port, self.stop = port, False
        self.count, self.reopened, self.again, self.failed, self.pids = 0, 0, 0, [], set()

    def run(self):
        conn = H2(self.port)
        while not self.stop:
            if conn.goaways:
                conn.rest()
                conn.close()
                conn = H2(self.port)
                self.reopened += 1
            conn = self.ask(conn)
        conn.close()

    def ask(self, conn):
        streams = [conn.ask("/pid") for _ in range(8)]
        for stream in streams:
            try:
                answer = conn.answer(stream)
            except (Ended, OSError) as e:
                if conn.goaways and stream > conn.goaways[-1][0]:
                    self.again += 1
                else:
                    self.failed.append("%r of %d behind %r" % (e, stream, conn.goaways))
                continue
            if answer.status != 200 or answer.error:
                self.failed.append("%d, %r" % (answer.status, answer.error))
            self.count += 1
            self.pids.add(int(answer.body))
        return conn


class Restarts(Case):
    def app(self):
        return self.server(program("test/programs/app"), env={"MOLT_SERVER_HTTP2CLEARTEXT": "true"})

    def test_a_running_request_is_answered_by_its_generation(self):
        srv = self.app()
        old, conn = srv.pid, H2(srv.port)
        slow = conn.ask("/sleep?ms=1500")
        idle = H2(srv.port)
        self.assertEqual(int(idle.fetch("/pid").body), old)
        new = srv.restart()
        self.assertEqual(conn.answer(slow).body.split(), [b"%d" % old] * 2)
        conn.rest()
        self.assertEqual(conn.goaways, [(LAST, 0), (slow, 0)])
        idle.rest()
        self.assertEqual(idle.goaways, [(LAST, 0), (1, 0)])
        again = H2(srv.port)
        self.assertEqual(int(again.fetch("/pid").body), new)
        for client in (conn, idle, again):
            client.close()

    def test_an_event_stream_ends_and_says_when_to_come_again(self):
        srv = self.app()
        conn = H2(srv.port)
        stream = conn.ask("/events?topic=x")
        conn.until(lambda: conn.answers[stream].body)
        srv.restart()
        answer = conn.answer(stream)
        self.assertIsNone(answer.error)
        self.assertTrue(answer.body.endswith(b"retry: 1\n\n"), answer.body)
        conn.rest()
        conn.close()

    def test_clients_by_the_book_lose_nothing(self):
        srv = self.app()
        clients = [Book(srv.port) for _ in range(4)]
        pids = {srv.pid}
        for client in clients:
            client.start()
        for _ in range(3 if SHORT else 6):
            before = [c.reopened for c in clients]
            pids.add(srv.restart())
            self.assertTrue(eventually(
                lambda: all(c.reopened > n for c, n in zip(clients, before)), 30))
        for client in clients:
            client.stop = True
        for client in clients:
            client.join()
            self.assertEqual(client.failed, [])
        print("%d requests, %d connections reopened, %d requests were not looked at" % (
            sum(c.count for c in clients), sum(c.reopened for c in clients), sum(c.again for c in clients)))
        self.assertEqual(set.union(*[c.pids for c in clients]), pids)

    def test_a_shutdown_waits_for_what_runs(self):
        srv = self.app()
        conn = H2(srv.port)
        slow = conn.ask("/sleep?ms=700")
        conn.fetch("/pid")
        os.kill(srv.pid, signal.SIGTERM)
        self.assertEqual(conn.answer(slow).body.count(b"\n"), 2)
        conn.rest()
        self.assertEqual(conn.goaways[-1], (3, 0))
        conn.close()
        self.assertEqual(srv.exit_code(), 0)


if __name__ == "__main__":
    main()
