"""Request bodies and streamed answers: lengths, chunks, Expect, limits, bodies
that nobody reads, bodies that end too early."""
import http.client
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import Case, curl, main, program  # noqa: E402

KIB, MIB = 1024, 1024 * 1024


def chunked(data, size):
    pieces = [data[i:i + size] for i in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


def head(path, fields):
    return b"POST %s HTTP/1.1\r\nHost: a\r\n%s\r\n" % (path, fields)


class App(Case):
    @classmethod
    def setUpClass(cls):
        cls.srv = cls.shared_server(program("test/programs/app"))

    def usable(self, conn):
        """The connection still answers the next request, and the right one."""
        self.assertEqual(conn.request("GET", "/id?id=next").body.split()[0], b"next")


class Uploads(App):
    def test_a_body_with_a_length_comes_back(self):
        conn = self.connect(self.srv)
        for size in (0, 1, 1000, 65536, 1000003):
            data = os.urandom(size)
            self.assertEqual(conn.request("POST", "/echo", body=data).body, data)

    def test_a_chunked_body_comes_back(self):
        conn = self.connect(self.srv)
        data = os.urandom(50000)
        for size in (1, 7, 1000, 10000, 50000):
            conn.send(head(b"/echo", b"Transfer-Encoding: chunked\r\n")
                      + chunked(data[:size * 500], size))
            self.assertEqual(conn.answer().body, data[:size * 500], "chunks of %d" % size)

    def test_chunks_of_10000_bytes_by_pythons_client(self):
        conn = http.client.HTTPConnection("127.0.0.1", self.srv.port, timeout=10)
        pieces = [bytes([65 + i]) * 10000 for i in range(20)]
        conn.request("POST", "/echo", body=iter(pieces), encode_chunked=True,
                     headers={"Transfer-Encoding": "chunked"})
        self.assertEqual(conn.getresponse().read(), b"".join(pieces))
        conn.close()

    def test_a_streamed_body_is_read_in_pieces(self):
        data = os.urandom(3 * MIB)
        want = "%d %d ok" % (len(data), sum(data))
        answer = self.fetch(self.srv, "/count", "POST", body=data)
        self.assertEqual(answer.body.decode().strip(), want)
        conn = self.connect(self.srv)
        conn.send(head(b"/count", b"Transfer-Encoding: chunked\r\n") + chunked(data, 10000))
        self.assertEqual(conn.answer().body.decode().strip(), want)
        self.usable(conn)

    def test_a_streamed_body_may_be_longer_than_the_servers_limit(self):
        size = 12 * MIB
        answer = self.fetch(self.srv, "/count", "POST", body=b"a" * size)
        self.assertEqual(answer.body.split()[0], b"%d" % size)

    def test_curl_uploads_a_file(self):
        with tempfile.NamedTemporaryFile() as f:
            f.write(os.urandom(2 * MIB))
            f.flush()
            done = curl("--data-binary", "@" + f.name, "http://127.0.0.1:%d/echo" % self.srv.port)
            f.seek(0)
            self.assertEqual(done.stdout, f.read())

    def test_curl_uploads_in_chunks(self):
        with tempfile.NamedTemporaryFile() as f:
            f.write(os.urandom(300000))
            f.flush()
            done = curl("-H", "Transfer-Encoding: chunked", "--data-binary", "@" + f.name,
                        "http://127.0.0.1:%d/echo" % self.srv.port)
            f.seek(0)
            self.assertEqual(done.stdout, f.read())

    def test_extensions_and_trailers_are_skipped(self):
        conn = self.connect(self.srv)
        conn.send(head(b"/echo", b"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n")
                  + b'3;a=b;c="d"\r\nabc\r\n0;last\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n')
        self.assertEqual(conn.answer().body, b"abc")
        self.usable(conn)

    def test_trailers_never_become_fields(self):
        conn = self.connect(self.srv)
        conn.send(head(b"/show?name=X-Late", b"Transfer-Encoding: chunked\r\n")
                  + b"0\r\nX-Late: yes\r\nHost: evil\r\nContent-Length: 9\r\n\r\n")
        answer = conn.answer()
        if answer.status == 200:
            self.assertIn(b"header=-\n", answer.body)
            self.assertNotIn(b"evil", answer.body)
        else:
            self.assertEqual(answer.status, 400)  # forbidden trailers may be refused

    def test_upper_case_and_zero_padded_sizes_are_fine(self):
        conn = self.connect(self.srv)
        conn.send(head(b"/echo", b"Transfer-Encoding: Chunked\r\n")
                  + b"00A\r\n0123456789\r\n0000\r\n\r\n")
        self.assertEqual(conn.answer().body, b"0123456789")

    def test_a_body_with_get_is_framed_too(self):
        conn = self.connect(self.srv)
        conn.send(b"GET /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\n"
                  b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(conn.answer().body, b"ignored\n")
        self.usable(conn)

    def test_a_body_that_nobody_reads_is_never_taken_for_a_request(self):
        smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        for path in (b"/ignore", b"/nothing", b"/only-get"):
            for size in (len(smuggled), 3000, 300000, 20 * MIB):
                body = (smuggled * (size // len(smuggled) + 1))[:size]
                conn = self.connect(self.srv)
                try:
                    conn.send(head(path, b"Content-Length: %d\r\n" % size) + body)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # answered and closed before all was sent
                try:
                    answer = conn.answer()
                except ConnectionResetError:
                    self.assertGreater(size, 300000)  # a huge body may be cut off
                    continue
                self.assertIn(answer.status, (200, 404, 405, 413))
                if answer.closes:
                    self.assertIn(conn.rest(), (b"",))
                else:
                    self.usable(conn)
                conn.close()

    def test_an_upgrade_with_a_body_smuggles_nothing(self):
        smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        conn = self.connect(self.srv)
        conn.send(head(b"/ignore", b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n"
                       % len(smuggled)) + smuggled)
        answer = conn.answer()
        self.assertIn(answer.status, (200, 400, 501))
        if not answer.closes:
            self.usable(conn)


class Expect(App):
    def test_100_continue_comes_when_the_body_is_wanted(self):
        conn = self.connect(self.srv)
        conn.send(head(b"/echo", b"Content-Length: 3\r\nExpect: 100-continue\r\n"))
        interim = conn.head()
        self.assertEqual((interim.status, interim.headers), (100, []))
        conn.send(b"abc")
        self.assertEqual(conn.answer().body, b"abc")
        self.usable(conn)

    def test_the_value_is_case_insensitive(self):
        conn = self.connect(self.srv)
        conn.send(head(b"/echo", b"Content-Length: 3\r\nExpect: 100-Continue\r\n"))
        self.assertEqual(conn.head().status, 100)
        conn.send(b"abc")
        self.assertEqual(conn.answer().body, b"abc")

    def test_no_100_when_nobody_reads_the_body(self):
        conn = self.connect(self.srv)
        conn.send(head(b"/nothing", b"Content-Length: 3\r\nExpect: 100-continue\r\n"))
        answer = conn.answer()
        self.assertEqual((answer.status, answer.interim), (404, []))
        # Whether the body comes now is not known: the connection must close.
        self.assertTrue(answer.closes, answer)

    def test_no_100_for_a_body_that_is_too_long(self):
        conn = self.connect(self.srv)
        conn.send(head(b"/small", b"Content-Length: 5000\r\nExpect: 100-continue\r\n"))
        answer = conn.answer()
        self.assertEqual((answer.status, answer.interim), (413, []))
        self.assertTrue(answer.closes)

    def test_a_body_that_comes_without_waiting_is_read(self):
        conn = self.connect(self.srv)
        conn.send(head(b"/echo", b"Content-Length: 3\r\nExpect: 100-continue\r\n") + b"abc")
        self.assertEqual(conn.answer().body, b"abc")
        self.usable(conn)

    def test_expect_without_a_body_is_harmless(self):
        conn = self.connect(self.srv)
        conn.send(b"GET /id?id=1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n")
        answer = conn.answer()
        self.assertIn(answer.status, (200, 417))

    def test_http_1_0_never_gets_100(self):
        conn = self.connect(self.srv)
        conn.send(b"POST /echo HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc")
        answer = conn.answer()
        self.assertEqual((answer.body, answer.interim), (b"abc", []))

    def test_curl_waits_for_100(self):
        done = curl("-H", "Expect: 100-continue", "--expect100-timeout", "600", "-d", "abc",
                    "http://127.0.0.1:%d/echo" % self.srv.port)
        self.assertEqual(done.stdout, b"abc", done)  # without a 100 it would wait ten minutes


class Limits(App):
    def test_a_body_that_is_announced_too_long_gets_413(self):
        conn = self.connect(self.srv)
        conn.send(head(b"/echo", b"Content-Length: %d\r\n" % (9 * MIB)))
        answer = conn.answer()
        self.assertEqual(answer.status, 413)
        self.assertTrue(answer.closes)
        self.assertEqual(conn.rest(), b"")

    def test_chunks_that_become_too_long_get_413(self):
        conn = self.connect(self.srv)
        try:
            conn.send(head(b"/small", b"Transfer-Encoding: chunked\r\n")
                      + chunked(b"a" * 5000, 100))
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = conn.answer()
        self.assertEqual(answer.status, 413)
        self.assertTrue(answer.closes)

    def test_the_limit_itself_is_allowed(self):
        conn = self.connect(self.srv)
        self.assertEqual(conn.request("POST", "/small", body=b"a" * 1000).status, 200)
        self.assertEqual(conn.request("POST", "/small", body=b"a" * 1001).status, 413)

    def test_a_huge_chunk_size_reserves_nothing(self):
        conn = self.connect(self.srv)
        conn.send(head(b"/echo", b"Transfer-Encoding: chunked\r\n") + b"7fffffffffffffff\r\nabc")
        self.assertIn(conn.answer().status, (400, 413))
        self.assertTrue(conn.closed())


class Truncated(App):
    def test_a_body_that_ends_too_early_is_no_whole_body(self):
        for framing, part in ((b"Content-Length: 10\r\n", b"abc"),
                              (b"Transfer-Encoding: chunked\r\n", b"5\r\nabc"),
                              (b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n")):
            conn = self.connect(self.srv)
            conn.send(head(b"/echo", framing) + part)
            conn.half_close()
            rest = conn.rest()
            self.assertIsNotNone(rest, "the connection stays open")
            self.assertNotIn(b"200 OK", rest)
            conn.close()

    def test_the_handler_is_told(self):
        since = self.srv.mark()
        conn = self.connect(self.srv)
        conn.send(head(b"/count", b"Content-Length: 10\r\n") + b"abc")
        conn.half_close()
        conn.rest()
        self.srv.wait_log("count: the body ended with", since=since)

    def test_a_reset_in_a_body_is_survived(self):
        import socket
        import struct
        for _ in range(10):
            conn = self.connect(self.srv)
            conn.send(head(b"/count", b"Content-Length: 100000\r\n") + b"a" * 5000)
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            conn.close()
        self.assertEqual(self.text(self.srv, "/build"), "1\n")


class Streams(App):
    def test_flushed_pieces_come_as_chunks_at_once(self):
        held = self.held(self.srv, "/stream?n=4&ms=50")
        conn = held.conn
        answer = conn.head()  # while the rest is held back
        held.release()
        self.assertEqual(answer.get("transfer-encoding"), "chunked")
        self.assertIsNone(answer.get("content-length"))
        answer.body = conn.body(answer)
        self.assertEqual([line.split()[1] for line in answer.body.splitlines()],
                         [b"1", b"2", b"3", b"4"])
        self.assertEqual(len(answer.chunks), 4)
        self.usable(conn)

    def test_curl_reads_a_stream(self):
        done = curl("-N", "http://127.0.0.1:%d/stream?n=5&ms=20" % self.srv.port)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 5)

    def test_a_long_stream_arrives_whole_at_a_slow_reader(self):
        conn = self.connect(self.srv, rcvbuf=4096)
        conn.send(b"GET /pour?n=2000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.3)
        self.assertEqual(len(conn.answer().body), 2000000)
        self.usable(conn)

    def test_a_stream_stops_when_its_client_has_gone(self):
        since = self.srv.mark()
        conn = self.connect(self.srv)
        conn.send(b"GET /stream?n=1000&ms=20 HTTP/1.1\r\nHost: a\r\n\r\n")
        conn.head()
        conn.close()
        self.srv.wait_log("stream: ", timeout=5, since=since)

    def test_a_handler_can_see_that_its_client_has_gone(self):
        since = self.srv.mark()
        conn = self.connect(self.srv)
        conn.send(b"GET /until-gone HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.2)
        conn.close()
        self.srv.wait_log("until-gone: gone", timeout=5, since=since)


if __name__ == "__main__":
    main()
