"""Bad requests: each gets its 4xx or 5xx and a closed connection, never a
crash, never a second answer from bytes that were smuggled behind it."""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import SHORT, Case, main, program  # noqa: E402
from rawhttp import Broken  # noqa: E402

HOST = b"Host: localhost\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


def get(fields=b"", line=b"GET / HTTP/1.1", host=HOST):
    return line + b"\r\n" + host + fields + b"\r\n"


def post(fields, body=b""):
    return get(fields, b"POST /echo HTTP/1.1") + body


# name, bytes, the statuses that are right
HEADS = [
    ("bare LF line ends", b"GET / HTTP/1.1\nHost: a\n\n", (400,)),
    ("bare LF behind a field", b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", (400,)),
    ("bare CR in a value", get(b"X: a\rb\r\n"), (400,)),
    ("bare CR ends the line", b"GET / HTTP/1.1\rHost: a\r\r", (400,)),
    ("NUL in a value", get(b"X: a\0b\r\n"), (400,)),
    ("NUL in the target", get(line=b"GET /a\0b HTTP/1.1"), (400,)),
    ("NUL in a name", get(b"X\0Y: a\r\n"), (400,)),
    ("control byte in a value", get(b"X: a\x01b\r\n"), (400,)),
    ("DEL in a value", get(b"X: a\x7fb\r\n"), (400,)),
    ("folded field", get(b"X: a\r\n b\r\n"), (400,)),
    ("folded first field", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", (400,)),
    ("tab-folded field", get(b"X: a\r\n\tb\r\n"), (400,)),
    ("space before the colon", get(b"X : a\r\n"), (400,)),
    ("tab before the colon", get(b"X\t: a\r\n"), (400,)),
    ("empty field name", get(b": a\r\n"), (400,)),
    ("field without a colon", get(b"nonsense\r\n"), (400,)),
    ("name with a bracket", get(b"X[y]: a\r\n"), (400,)),
    ("name with a byte over 0x7f", get("Ñame: a\r\n".encode()), (400,)),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", (400,)),
    ("two Hosts", get(b"Host: b\r\n"), (400,)),
    ("two equal Hosts", get(HOST), (400,)),
    ("Host with a space", get(host=b"Host: a b\r\n"), (400,)),
    ("Host with a path", get(host=b"Host: a/b\r\n"), (400,)),
    ("Host with user info", get(host=b"Host: u@a\r\n"), (400,)),
    ("Host list", get(host=b"Host: a, b\r\n"), (400,)),
    ("HTTP/0.9", b"GET /\r\n\r\n", (400,)),
    ("HTTP/0.9 with a version line below", b"GET /\nHTTP/1.1\r\nHost: a\r\n\r\n", (400,)),
    ("HTTP/2.0", get(line=b"GET / HTTP/2.0"), (505,)),
    ("HTTP/3.0", get(line=b"GET / HTTP/3.0"), (505,)),
    ("HTTP/0.8", get(line=b"GET / HTTP/0.8"), (400, 505)),
    ("lower-case version", get(line=b"GET / http/1.1"), (400,)),
    ("version without a dot", get(line=b"GET / HTTP/11"), (400,)),
    ("long version", get(line=b"GET / HTTP/1.10"), (400,)),
    ("signed version", get(line=b"GET / HTTP/+1.1"), (400,)),
    ("no version word", get(line=b"GET / FOO/1.1"), (400,)),
    ("two spaces", get(line=b"GET  / HTTP/1.1"), (400,)),
    ("tab between the words", get(line=b"GET\t/ HTTP/1.1"), (400,)),
    ("space behind the version", get(line=b"GET / HTTP/1.1 "), (400,)),
    ("space in the target", get(line=b"GET /a b HTTP/1.1"), (400,)),
    ("no target", get(line=b"GET HTTP/1.1"), (400,)),
    ("space first", get(line=b" GET / HTTP/1.1"), (400,)),
    ("method with a bracket", get(line=b"GE[T / HTTP/1.1"), (400,)),
    ("fragment", get(line=b"GET /a#b HTTP/1.1"), (400,)),
    ("target without a slash", get(line=b"GET a HTTP/1.1"), (400,)),
    ("star for GET", get(line=b"GET * HTTP/1.1"), (400,)),
    ("byte over 0x7e in the target", get(line=b"GET /\xc3\xa4 HTTP/1.1"), (400,)),
    ("absolute target without a host", get(line=b"GET http:///x HTTP/1.1"), (400,)),
    ("bad escape", get(line=b"GET /%zz HTTP/1.1"), (400,)),
    ("short escape", get(line=b"GET /a% HTTP/1.1"), (400,)),
    ("encoded NUL", get(line=b"GET /a%00b HTTP/1.1"), (400,)),
    ("encoded CR LF", get(line=b"GET /a%0d%0aX:y HTTP/1.1"), (400,)),
    ("dots above the root", get(line=b"GET /../../etc/passwd HTTP/1.1"), (400,)),
    ("encoded dots above the root", get(line=b"GET /%2e%2e/etc/passwd HTTP/1.1"), (400,)),
    ("TLS hello to a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40
     + b"\r\n\r\n", (400,)),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505)),
    ("nothing but CR LF CR LF CR LF", b"\r\n\r\n\r\n\r\n", (400,)),
    ("unknown Expect", get(b"Expect: y 100-continue\r\n"), (417,)),
    ("unknown Expect with a body", post(b"Expect: wonders\r\nContent-Length: 3\r\n", b"abc"),
     (417,)),
]

# Framing: everything that two servers could read differently.
FRAMING = [
    ("both lengths", b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", (400,)),
    ("both lengths, the other order", b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
     (400,)),
    ("two Content-Lengths", b"Content-Length: 3\r\nContent-Length: 3\r\n", (400,)),
    ("two different Content-Lengths", b"Content-Length: 3\r\nContent-Length: 44\r\n", (400,)),
    ("Content-Length list", b"Content-Length: 3, 3\r\n", (400,)),
    ("empty Content-Length", b"Content-Length:\r\n", (400,)),
    ("blank Content-Length", b"Content-Length:  \r\n", (400,)),
    ("negative Content-Length", b"Content-Length: -1\r\n", (400,)),
    ("signed Content-Length", b"Content-Length: +3\r\n", (400,)),
    ("hexadecimal Content-Length", b"Content-Length: 0x3\r\n", (400,)),
    ("Content-Length with an underscore", b"Content-Length: 1_0\r\n", (400,)),
    ("Content-Length with a point", b"Content-Length: 3.0\r\n", (400,)),
    ("Content-Length with words", b"Content-Length: 3 bytes\r\n", (400,)),
    ("Content-Length with a no-break space", b"Content-Length: \xa03\r\n", (400,)),
    ("overflowing Content-Length", b"Content-Length: 18446744073709551619\r\n", (400, 413)),
    ("very long Content-Length", b"Content-Length: " + b"9" * 200 + b"\r\n", (400, 413)),
    ("space before Content-Length's colon", b"Content-Length : 3\r\n", (400,)),
    ("unknown coding", b"Transfer-Encoding: gzip\r\n", (400, 501)),
    ("identity", b"Transfer-Encoding: identity\r\n", (400, 501)),
    ("gzip, chunked", b"Transfer-Encoding: gzip, chunked\r\n", (501,)),
    ("chunked is not the last", b"Transfer-Encoding: chunked, gzip\r\n", (400, 501)),
    ("chunked twice", b"Transfer-Encoding: chunked, chunked\r\n", (400,)),
    ("two Transfer-Encodings", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
     (400,)),
    ("two, the second other", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
     (400, 501)),
    ("xchunked", b"Transfer-Encoding: xchunked\r\n", (400, 501)),
    ("chunked with a vertical tab", b"Transfer-Encoding: \x0bchunked\r\n", (400,)),
    ("chunked in quotes", b'Transfer-Encoding: "chunked"\r\n', (400, 501)),
    ("chunked with a parameter", b"Transfer-Encoding: chunked;a=b\r\n", (400, 501)),
    ("empty Transfer-Encoding", b"Transfer-Encoding:\r\n", (400, 501)),
    ("comma only", b"Transfer-Encoding: ,\r\n", (400, 501)),
    ("folded Transfer-Encoding", b"Transfer-Encoding:\r\n chunked\r\n", (400,)),
]

# Chunked bodies, sent behind a right head.
CHUNKS = [
    ("bare LF behind the size", b"3\nabc\r\n0\r\n\r\n"),
    ("bare LF behind the data", b"3\r\nabc\n0\r\n\r\n"),
    ("no CR LF behind the data", b"3\r\nabcd0\r\n\r\n"),
    ("0x size", b"0x3\r\nabc\r\n0\r\n\r\n"),
    ("signed size", b"+3\r\nabc\r\n0\r\n\r\n"),
    ("negative size", b"-3\r\nabc\r\n0\r\n\r\n"),
    ("underscore in the size", b"1_0\r\nabcdefghijklmnop\r\n0\r\n\r\n"),
    ("space before the size", b" 3\r\nabc\r\n0\r\n\r\n"),
    ("empty size", b"\r\nabc\r\n0\r\n\r\n"),
    ("no hexadecimal", b"g\r\nabc\r\n0\r\n\r\n"),
    ("overflowing size", b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
    ("NUL in an extension", b"3;a=\0\r\nabc\r\n0\r\n\r\n"),
    ("bare LF in an extension", b"3;a\nb\r\nabc\r\n0\r\n\r\n"),
    ("bare CR in an extension", b"3;a\rb\r\nabc\r\n0\r\n\r\n"),
    ("bad trailer", b"3\r\nabc\r\n0\r\nno colon\r\n\r\n"),
    ("bare LF ends the trailers", b"3\r\nabc\r\n0\r\n\n"),
    ("an extension without a name", b"3;\r\nabc\r\n0\r\n\r\n"),
    ("an extension that begins with =", b"3;=b\r\nabc\r\n0\r\n\r\n"),
    ("a bracket in an extension", b"3;bad[=x\r\nabc\r\n0\r\n\r\n"),
    ("a quote without end in an extension", b"3;a=\"b\r\nabc\r\n0\r\n\r\n"),
    ("an extension without a value", b"3;a=\r\nabc\r\n0\r\n\r\n"),
    ("a space behind an extension", b"3;a \r\nabc\r\n0\r\n\r\n"),
    ("white space without end", b"3" + b" \t" * 10000 + b";a\r\nabc\r\n0\r\n\r\n"),
    ("extensions without end", b"3;" + b"a" * 20000 + b"\r\nabc\r\n0\r\n\r\n"),
    ("small extensions without end", b"1;aaaaaaaaaaaaaaaa\r\nx\r\n" * 2000 + b"0\r\n\r\n"),
    ("trailers without end", b"0\r\n" + b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 2000 + b"\r\n"),
]


class BadRequests(Case):
    @classmethod
    def setUpClass(cls):
        cls.srv = cls.shared_server(program("test/programs/app"))
        cls.first = cls.srv.pid

    def refused(self, name, data, statuses):
        """Sends data and a smuggled request; exactly one answer may come."""
        conn = self.connect(self.srv)
        try:
            conn.send(data + SMUGGLED)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all of it was read; the answer follows
        answer = conn.answer()
        self.assertIn(answer.status, statuses, "%s: %r" % (name, answer))
        self.assertTrue(answer.closes, "%s: no Connection: close: %r" % (name, answer))
        rest = conn.rest()
        self.assertIsNotNone(rest, "%s: the connection stays open" % name)
        self.assertEqual(rest, b"", "%s: something behind the answer" % name)
        conn.close()

    def still_serves(self):
        self.assertEqual(self.serving_pid(self.srv), self.first)

    def test_a_bad_head_is_refused_and_the_connection_closed(self):
        for name, data, statuses in HEADS:
            with self.subTest(name):
                self.refused(name, data, statuses)
        self.still_serves()

    def test_ambiguous_framing_is_refused_and_nothing_is_smuggled(self):
        for name, fields, statuses in FRAMING:
            with self.subTest(name):
                self.refused(name, post(fields, b"3\r\nabc\r\n0\r\n\r\n"), statuses)
        self.still_serves()

    def test_chunked_with_http_1_0_is_refused(self):
        self.refused("1.0", b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
                     b"3\r\nabc\r\n0\r\n\r\n", (400,))

    def test_a_bad_chunk_is_refused_and_nothing_is_smuggled(self):
        for name, body in CHUNKS:
            with self.subTest(name):
                self.refused(name, post(b"Transfer-Encoding: chunked\r\n", body), (400, 413))
        self.still_serves()

    def test_an_extension_of_the_grammar_is_passed_over(self):
        for ext in (b" ;a=b", b";a = \"b ; c\"", b"\t; a ;b", b";a=\"\\\"\""):
            conn = self.connect(self.srv)
            conn.send(post(b"Transfer-Encoding: chunked\r\n",
                           b"3" + ext + b"\r\nabc\r\n0" + ext + b"\r\n\r\n"))
            answer = conn.answer()
            self.assertEqual((answer.status, answer.body), (200, b"abc"), ext)

    def test_a_refused_head_request_gets_no_content(self):
        for line, fields in ((b"HEAD / HTTP/1.1", b""), (b"HEAD / HTTP/1.1", b"Host: a\r\nX : y\r\n"),
                             (b"HEAD / HTTP/7.0", b"Host: a\r\n"), (b"HEAD /\x7f HTTP/1.1", HOST),
                             (b"HEAD / HTTP/1.1", b"Host: a\r\nX: " + b"a" * 70000 + b"\r\n")):
            conn = self.connect(self.srv)
            try:
                conn.send(line + b"\r\n" + fields + b"\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass
            answer = conn.rest()
            head, _, body = answer.partition(b"\r\n\r\n")
            self.assertRegex(head, rb"^HTTP/1\.1 (400|505|431) ", line)
            self.assertEqual(body, b"", line)

    def test_a_head_that_is_too_long_gets_431(self):
        cases = [
            ("one long field", get(b"X: " + b"a" * 70000 + b"\r\n")),
            ("a long name", get(b"X" * 70000 + b": a\r\n")),
            ("many fields", get(b"".join(b"X-%d: y\r\n" % i for i in range(2000)))),
            ("many short cookies", get(b"Cookie: a=b\r\n" * 5000)),
        ]
        for name, data in cases:
            with self.subTest(name):
                self.refused(name, data, (431,))
        self.still_serves()

    def test_an_unfinished_head_that_is_too_long_gets_431_at_once(self):
        conn = self.connect(self.srv)
        try:
            conn.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100000)
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.assertEqual(conn.answer().status, 431)
        self.assertTrue(conn.closed())

    def test_a_target_that_is_too_long_gets_414(self):
        for size in (20000, 100000):
            self.refused("%d bytes" % size, get(line=b"GET /" + b"a" * size + b" HTTP/1.1"), (414,))
        self.refused("a query", get(line=b"GET /?" + b"a" * 20000 + b" HTTP/1.1"), (414,))
        self.refused("slashes", get(line=b"GET /" + b"/" * 65000 + b" HTTP/1.1"), (414,))

    def test_a_name_of_300_bytes_hides_nothing(self):
        # An integer overflow of the name's length once made a second length of it.
        conn = self.connect(self.srv)
        conn.send(post(b"Content-Length" + b"x" * 256 + b": 0\r\nContent-Length: 3\r\n", b"abc"))
        answer = conn.answer()
        if answer.status == 200:
            self.assertEqual(answer.body, b"abc")
        else:
            self.assertIn(answer.status, (400, 431))

    def test_refusals_have_a_date_and_a_length(self):
        conn = self.connect(self.srv)
        conn.send(b"GET / HTTP/1.1\r\n\r\n")
        answer = conn.answer()
        self.assertEqual(answer.status, 400)
        self.assertIsNotNone(answer.get("date"))
        self.assertIsNotNone(answer.get("content-length"))

    def test_a_refusal_does_not_echo_what_was_sent(self):
        conn = self.connect(self.srv)
        conn.send(b"GET /<script>alert(1)</script> HTTP/1.1\r\nHost: a\r\nBad : <script>\r\n\r\n")
        self.assertNotIn(b"<script>", conn.answer().body)

    def test_random_bytes_never_harm(self):
        rng = random.Random(4)
        good = post(b"Transfer-Encoding: chunked\r\nX: y\r\n", b"3\r\nabc\r\n0\r\n\r\n")
        for _ in range(60 if SHORT else 300):
            data = bytearray(good)
            for _ in range(rng.randrange(1, 6)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            conn = self.connect(self.srv)
            conn.send(bytes(data))
            conn.half_close()
            try:
                conn.answer()
            except (Broken, ConnectionResetError):
                pass  # closed without an answer: an unfinished request
            conn.close()
        self.still_serves()


class Escaping(Case):
    def test_a_bad_request_cannot_forge_a_log_line(self):
        srv = self.server(program("test/programs/app"),
                          env={"MOLT_SERVER_ACCESSLOGENABLED": "true"})
        forged = "2018-05-18 11:02:04.812 1: all servers shutdown"
        conn = self.connect(srv)
        conn.send(b"GET /?x=\x1b[31m HTTP/1.1\r\nHost: a\r\nUser-Agent: a\n" + forged.encode()
                  + b"\r\n\r\n")
        self.assertEqual(conn.answer().status, 400)
        self.fetch(srv, "/?q=%0a" + forged.replace(" ", "%20"),
                   headers={"User-Agent": 'x" 200 "forged', "Referer": "a\tb"})
        self.text(srv, "/")
        srv.wait_log('200 "GET http \\S+ / HTTP')  # the last of them: all before are there
        log = srv.log()
        self.assertNotIn("\x1b", log)
        for line in log.splitlines():
            self.assertNotIn("all servers shutdown", line[:60])


if __name__ == "__main__":
    main()
