"""Limits and timeouts: a slow, silent or greedy client never holds anything for
ever, and never keeps others from being served."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import SHORT, SLOW, Case, eventually, main, program  # noqa: E402
from rawhttp import Broken  # noqa: E402


class Timed(Case):
    """now() begins; within(a) ends: after so long at least, and before a default would end it."""

    def now(self):
        self.start = time.monotonic()

    def within(self, least):
        took = time.monotonic() - self.start
        self.assertGreaterEqual(took, least)
        self.assertLess(took, 9.5 * SLOW)

    def app(self, **limits):
        env = {"MOLT_SERVER_" + k.upper(): v for k, v in limits.items()}
        return self.server(program("test/programs/app"), env=env)


class SlowRequests(Timed):
    def test_a_head_that_does_not_end_gets_408(self):
        srv = self.app(headerTimeout="1s")
        conn = self.connect(srv)
        self.now()
        conn.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        answer = conn.answer()
        self.within(0.8)
        self.assertEqual(answer.status, 408)
        self.assertTrue(answer.closes)
        self.assertTrue(conn.closed())

    def test_a_head_that_trickles_gets_408_all_the_same(self):
        srv = self.app(headerTimeout="1s")
        conn = self.connect(srv)
        self.now()
        conn.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        try:
            for _ in range(40):
                conn.send(b"X: y\r\n")
                time.sleep(0.1)
        except (BrokenPipeError, ConnectionResetError):
            pass
        rest = conn.rest()
        self.within(0.8)
        self.assertTrue(rest is not None and (rest == b"" or b" 408 " in rest[:20]), rest)

    def test_a_silent_new_connection_is_closed(self):
        srv = self.app(headerTimeout="1s")
        conn = self.connect(srv)
        self.now()
        self.assertIsNotNone(conn.rest(5 * SLOW))
        self.within(0.8)

    def test_an_idle_connection_is_closed_silently(self):
        srv = self.app(idleTimeout="1s")
        conn = self.connect(srv)
        conn.request("GET", "/")
        self.now()
        self.assertTrue(conn.closed(5 * SLOW))
        self.within(0.8)

    def test_a_connection_in_use_is_not_idle(self):
        """Nor is one whose request runs, or one that asks again and again; a pause that the
        machine makes must be shorter than the limit."""
        srv = self.app(idleTimeout="3s")
        conn, end = self.connect(srv), time.monotonic() + 3.5
        while time.monotonic() < end:
            self.assertEqual(conn.request("GET", "/").status, 200)
            time.sleep(0.05)
        self.assertEqual(conn.request("GET", "/id?id=1&ms=3500").status, 200)

    def test_a_body_that_stops_gets_408(self):
        srv = self.app(bodyTimeout="1s")
        for path in (b"/echo", b"/small"):
            conn = self.connect(srv)
            self.now()
            conn.send(b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc" % path)
            answer = conn.answer()
            self.within(0.8)
            self.assertEqual(answer.status, 408)
            self.assertTrue(answer.closes)
            self.assertTrue(conn.closed())

    def test_a_streamed_body_that_stops_is_told_to_the_handler(self):
        srv = self.app(bodyTimeout="1s")
        conn = self.connect(srv)
        conn.send(b"POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                  b"3\r\nabc\r\n")
        srv.wait_log("count: the body ended with", timeout=4)
        self.assertIsNotNone(conn.rest(5 * SLOW))

    def test_a_body_that_goes_on_slowly_is_read(self):
        srv = self.app(bodyTimeout="1s")
        conn = self.connect(srv)
        conn.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n")
        for byte in b"abcdef":
            time.sleep(0.3)
            conn.send(bytes([byte]))
        self.assertEqual(conn.answer().body, b"abcdef")

    def test_the_whole_request_has_a_limit_too(self):
        srv = self.app(readTimeout="2s")
        conn = self.connect(srv)
        self.now()
        conn.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
        try:
            for _ in range(50):
                conn.send(b"x")
                time.sleep(0.1)
        except (BrokenPipeError, ConnectionResetError):
            pass
        rest = conn.rest()
        self.within(1.8)
        self.assertTrue(rest is not None and b" 200 " not in rest[:20], rest)

    def test_the_read_timeout_does_not_count_the_handlers_time(self):
        srv = self.app(readTimeout="1s", headerTimeout="1s")
        self.assertEqual(self.fetch(srv, "/id?id=1&ms=2000").status, 200)

    def test_an_answer_that_nobody_takes_ends(self):
        srv = self.app(writeTimeout="1s")
        conn = self.connect(srv, rcvbuf=4096)
        conn.send(b"GET /pour?n=100000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        self.now()
        srv.wait_log("pour: ", timeout=6)
        self.within(0.8)
        with self.assertRaises((Broken, ConnectionResetError)):
            conn.answer()  # cut: a truncated stream must not look whole

    def test_a_client_that_takes_slowly_is_served(self):
        srv = self.app(writeTimeout="1s")
        conn = self.connect(srv, rcvbuf=4096)
        conn.send(b"GET /big?n=1500000 HTTP/1.1\r\nHost: a\r\n\r\n")
        answer, got = conn.head(), 0
        for _ in range(6):
            got += len(conn.sock.recv(4096))
            time.sleep(0.3)
        got += len(conn.buf)
        conn.buf = b""
        while got < 1500000:
            data = conn.sock.recv(65536)
            self.assertTrue(data, "cut at %d" % got)
            got += len(data)
        self.assertEqual(answer.status, 200)


class Crowds(Timed):
    def test_many_slow_clients_do_not_keep_others_out(self):
        srv = self.app(headerTimeout="600s")
        slow = []
        for i in range(200 if SHORT else 900):
            conn = self.connect(srv)
            conn.send(b"GET / HTTP/1.1\r\nX: y\r\n" if i % 2 else b"")
            slow.append(conn)
        for _ in range(20):
            self.assertEqual(self.text(srv, "/build"), "1\n")
        for conn in slow:
            conn.close()

    def test_idle_connections_at_the_limit_make_room(self):
        srv = self.app(maxConnections="5", loops="1")  # each loop knows its own connections
        idle = [self.connect(srv) for _ in range(5)]
        for conn in idle:
            conn.request("GET", "/")
            time.sleep(0.02)
        for _ in range(3):
            self.assertEqual(self.text(srv, "/build"), "1\n")
        self.assertTrue(idle[0].closed(5 * SLOW))
        self.assertEqual(idle[4].request("GET", "/build").body, b"1\n")
        srv.wait_log(r"maxConnections \(5\) are open")
        self.assertEqual(srv.log().count("maxConnections (5) are open"), 1)

    def test_clients_that_say_nothing_keep_nobody_out(self):
        srv = self.app(maxConnections="5", loops="1")  # each loop closes its own oldest one
        silent = [self.connect(srv) for _ in range(8)]
        self.assertEqual(self.text(srv, "/build"), "1\n")
        self.assertTrue(silent[0].closed(5 * SLOW))

    def test_connections_over_the_limit_wait_and_are_served_later(self):
        srv = self.app(maxConnections="5")
        held = [self.connect(srv) for _ in range(5)]
        for conn in held:
            conn.send(b"GET /events?topic=t HTTP/1.1\r\nHost: a\r\n\r\n")
            conn.head()
        late = self.connect(srv)
        late.send(b"GET /build HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertIsNone(late.rest(0.5), "served over the limit")
        late.buf = b""
        held[0].close()
        self.assertEqual(late.answer().body, b"1\n")

    def test_a_burst_of_connections_is_served_whole(self):
        srv = self.app()
        conns = [self.connect(srv) for _ in range(500)]
        for i, conn in enumerate(conns):
            conn.send(b"GET /id?id=%d HTTP/1.1\r\nHost: a\r\n\r\n" % i)
        for i, conn in enumerate(conns):
            self.assertEqual(conn.answer().body.split()[0], b"%d" % i)


class Sizes(Timed):
    def test_the_header_limit_is_configurable(self):
        srv = self.app(maxHeaderBytes="2k")
        self.assertEqual(self.fetch(srv, headers={"X": "a" * 1000}).status, 200)
        self.assertEqual(self.fetch(srv, headers={"X": "a" * 3000}).status, 431)

    def test_the_body_limit_is_configurable(self):
        srv = self.app(clientMaxBodySize="1k")
        self.assertEqual(self.fetch(srv, "/echo", "POST", body=b"a" * 1024).status, 200)
        self.assertEqual(self.fetch(srv, "/echo", "POST", body=b"a" * 1025).status, 413)

    def test_keep_alive_can_be_off(self):
        srv = self.app(keepAlive="false")
        conn = self.connect(srv)
        self.assertTrue(conn.request("GET", "/").closes)
        self.assertTrue(conn.closed())

    def test_the_server_field_is_configurable(self):
        srv = self.app(serverAgent="Molt test")
        self.assertEqual(self.fetch(srv).get("server"), "Molt test")
        self.assertIsNone(self.fetch(self.app()).get("server"))

    def test_a_server_field_of_the_program_goes_before_the_configured_one(self):
        srv = self.app(serverAgent="Molt test")
        answer = self.fetch(srv, "/set-header?name=server&value=mine")
        self.assertEqual(answer.all("server"), ["mine"])


class Leftovers(Timed):
    def test_abandoned_connections_are_all_given_back(self):
        srv = self.app(headerTimeout="1s", bodyTimeout="1s", idleTimeout="1s", writeTimeout="1s")
        from procs import descriptors
        self.text(srv, "/")
        before = len(descriptors(srv.pid))
        for i in range(60):
            conn = self.connect(srv, rcvbuf=4096)
            conn.send((b"", b"GET / HT",
                       b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\na",
                       b"POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                       b"5\r\na",
                       b"GET /pour?n=9000000 HTTP/1.1\r\nHost: a\r\n\r\n",
                       b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")[i % 6])
            if i % 4 == 1:
                conn.half_close()
            elif i % 4 == 2:
                conn.close()
        after = eventually(lambda: len(descriptors(srv.pid)) <= before + 2, 8)
        self.assertTrue(after, "descriptors: %d, now %r" % (before, descriptors(srv.pid)))


if __name__ == "__main__":
    main()
