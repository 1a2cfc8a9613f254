"""WebSockets and event streams as clients see them: the handshake and its
refusals, messages, limits, closing, pings, topics."""
import os
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
import ws  # noqa: E402
from case import SLOW, Case, eventually, main, program  # noqa: E402
from rawhttp import Broken  # noqa: E402


class WsCase(Case):
    env = {}

    @classmethod
    def setUpClass(cls):
        cls.srv = cls.shared_server(program("test/programs/app"), env=cls.env)

    def open(self, path="/ws/count", srv=None, **kw):
        w = ws.WebSocket(("127.0.0.1", (srv or self.srv).port), path, timeout=10 * SLOW, **kw)
        self.addCleanup(w.close_socket)
        return w

    def refused(self, path="/ws/count", method="GET", body=None, **fields):
        """The answer to a handshake that is not to succeed."""
        return self.fetch(self.srv, path, method, ws.handshake_fields(**fields), body)

    def stream(self, path):
        s = ws.EventStream(("127.0.0.1", self.srv.port), path, timeout=10 * SLOW)
        self.addCleanup(s.close)
        return s

    def publish(self, topic, data, query=""):
        answer = self.fetch(self.srv, "/publish?topic=%s%s" % (topic, query), "POST", body=data)
        return answer.body.decode().strip()


class Handshake(WsCase):
    def test_another_version(self):
        answer = self.refused(sec_websocket_version="12")
        self.assertEqual(answer.status, 426)
        self.assertEqual(answer.get("sec-websocket-version"), "13")
        self.assertEqual(answer.get("upgrade"), "websocket")

    def test_no_upgrade(self):
        answer = self.fetch(self.srv, "/ws/count")
        self.assertEqual(answer.status, 426)
        self.assertEqual(answer.get("upgrade"), "websocket")
        self.assertEqual(self.fetch(self.srv, "/ws/line").status, 426)
        for path in ("/ws/line", "/ws/count"):
            got = [self.fetch(self.srv, path, method) for method in ("GET", "HEAD")]
            self.assertEqual([a.status for a in got], [426, 426], path)
            self.assertEqual(got[1].get("upgrade"), got[0].get("upgrade"))
        self.assertEqual(self.refused(method="HEAD").status, 426)

    def test_bad_keys(self):
        for key in ("", "short", "x" * 24):
            self.assertEqual(self.refused(sec_websocket_key=key).status, 400, key)
        self.assertEqual(self.refused(sec_websocket_key=None).status, 400)

    def test_a_body(self):
        answer = self.refused(body=b"hello")
        self.assertEqual(answer.status, 400)

    def test_another_method(self):
        self.assertEqual(self.refused(method="POST").status, 405)

    def test_pages_of_other_hosts(self):
        self.assertEqual(self.refused(origin="http://evil.example").status, 403)
        self.open(origin="http://127.0.0.1:%d" % self.srv.port)

    def test_the_program_refuses(self):
        self.assertEqual(self.refused("/ws/count?refuse=1").status, 403)

    def test_a_refused_handshake_keeps_the_connection(self):
        conn = self.connect(self.srv)
        fields = ws.handshake_fields(sec_websocket_version="12")
        self.assertEqual(conn.request("GET", "/ws/count", fields).status, 426)
        self.assertEqual(conn.request("GET", "/build").status, 200)

    def test_subprotocols(self):
        self.assertEqual(self.open(sec_websocket_protocol="x, count").head.get(
            "sec-websocket-protocol"), "count")
        self.assertIsNone(self.open(sec_websocket_protocol="x").head.get("sec-websocket-protocol"))
        self.assertEqual(self.open("/ws/line", sec_websocket_protocol="chat").head.get(
            "sec-websocket-protocol"), "chat")

    def test_frames_that_come_with_the_handshake(self):
        for path, answer in (("/ws/count", "1 early"), ("/ws/line", "early")):
            conn = self.connect(self.srv)
            w = ws.WebSocket.__new__(ws.WebSocket)
            lines = "".join("%s: %s\r\n" % f for f in ws.handshake_fields().items())
            conn.send(("GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n" % (path, lines)).encode()
                      + w.frame(ws.TEXT, "early"))
            self.assertEqual(conn.head().status, 101)
            w.conn, w.deflate, w.pings = conn, False, 0
            self.assertEqual(w.recv(), answer)

    def test_behind_a_pipelined_request(self):
        conn = self.connect(self.srv)
        lines = "".join("%s: %s\r\n" % f for f in ws.handshake_fields().items())
        conn.send("GET /build HTTP/1.1\r\nHost: a\r\n\r\n"
                  "GET /ws/count HTTP/1.1\r\nHost: a\r\n%s\r\n" % lines)
        self.assertEqual(conn.answer().status, 200)
        self.assertEqual(conn.head().status, 101)

    def test_what_on_open_sends_follows_the_handshake(self):
        self.assertEqual(self.open("/ws/count?hello=there").recv(), "there")


class Messages(WsCase):
    def test_sizes(self):
        for path, head in (("/ws/count", True), ("/ws/line", False)):
            for deflate in (False, True):
                w = self.open(path, deflate=deflate)
                for i, n in enumerate((0, 1, 125, 126, 127, 65535, 65536, 1000000), 1):
                    w.send("x" * n)
                    self.assertEqual(w.recv(), ("%d " % i if head else "") + "x" * n)
                    data = os.urandom(min(n, 100000))
                    if not head:
                        w.send(data)
                        self.assertEqual(w.recv(), data)

    def test_ping(self):
        w = self.open()
        w.conn.send(w.frame(ws.PING, "are you there"))
        self.assertEqual(w.recv_frame(), (ws.PONG, True, 0, b"are you there"))

    def test_many_messages_at_once(self):
        w = self.open()
        w.conn.send(b"".join(w.frame(ws.TEXT, "m%d" % i) for i in range(1, 1001)))
        for i in range(1, 1001):
            self.assertEqual(w.recv(), "%d m%d" % (i, i))

    def test_a_slow_callback_keeps_the_order(self):
        w = self.open()
        w.send("!slow 200")
        w.send("second")
        self.assertEqual(w.recv(), "1 !slow 200")
        self.assertEqual(w.recv(), "2 second")


class Closing(WsCase):
    env = {"MOLT_SERVER_WSMAXMESSAGE": "1000"}

    def fails(self, code, raw, deflate=False):
        for path in ("/ws/count", "/ws/line"):
            w = self.open(path, deflate=deflate)
            w.conn.send(raw(w))
            self.assertEqual(w.closed(), code, path)

    def test_by_the_client(self):
        for path in ("/ws/count", "/ws/line"):
            w = self.open(path)
            w.send_close(4321, "why not")
            self.assertEqual(w.closed(), 4321)
        self.srv.wait_log("ws closed 4321")
        self.srv.wait_log("line closed 4321")

    def test_by_the_program(self):
        w = self.open()
        w.send("!close 4000")
        self.assertEqual(w.closed(), 4000)
        self.srv.wait_log("ws closed 4000")

    def test_by_a_client_that_vanishes(self):
        since = self.srv.mark()
        w = self.open()
        w.close_socket()
        self.srv.wait_log("ws closed 1006", since=since)

    def test_unmasked(self):
        self.fails(1002, lambda w: w.frame(ws.TEXT, "x", mask=False))

    def test_bad_frames(self):
        self.fails(1002, lambda w: w.frame(3, "x"))
        self.fails(1002, lambda w: w.frame(ws.TEXT, "x", rsv=1))
        self.fails(1002, lambda w: w.frame(ws.TEXT, "x", rsv=4))
        self.fails(1002, lambda w: w.frame(0, "x"))
        self.fails(1002, lambda w: w.frame(ws.PING, "x", fin=False))
        self.fails(1002, lambda w: w.frame(ws.PING, "x" * 126))
        self.fails(1002, lambda w: w.frame(ws.TEXT, "a", fin=False) + w.frame(ws.TEXT, "b"))

    def test_no_utf8(self):
        self.fails(1007, lambda w: w.frame(ws.TEXT, b"\xff"))

    def test_too_long(self):
        self.fails(1009, lambda w: w.frame(ws.TEXT, "x" * 1001))
        self.fails(1009, lambda w: w.frame(ws.TEXT, "x" * 600, fin=False) + w.frame(0, "x" * 600))

    def test_too_long_when_inflated(self):
        w = self.open(deflate=True)
        w.send("x" * 1000)
        self.assertEqual(w.recv(), "1 " + "x" * 1000)
        w.send("x" * 1001)
        self.assertEqual(w.closed(), 1009)

    def test_no_deflated_data(self):
        self.fails(1007, lambda w: w.frame(ws.TEXT, b"\xff\xff\xff", rsv=4), deflate=True)


class Slow(WsCase):
    env = {"MOLT_SERVER_WSPING": "300ms"}

    def test_pings_are_sent_and_answered(self):
        w = self.open()
        w.send("!slow 1500")
        self.assertEqual(w.recv(), "1 !slow 1500")
        for _ in range(3):
            opcode, _, _, data = w.recv_frame()
            self.assertEqual(opcode, ws.PING)
            w.conn.send(w.frame(ws.PONG, data))
        w.send("x")
        self.assertEqual(w.recv(), "2 x")

    def test_a_client_that_answers_no_ping_is_dropped(self):
        since = self.srv.mark()
        w = self.open()
        while w.conn._more():  # pings come, and then the end
            pass
        self.srv.wait_log("ws closed 1006", since=since)

    def test_a_stream_says_that_it_lives(self):
        s = self.stream("/events?topic=quiet")
        self.assertTrue(eventually(lambda: s._more() and b":\n\n" in s.text, 3))


class Behind(WsCase):
    """Without pings: who publishes does not answer them meanwhile."""
    env = {"MOLT_SERVER_WSMAXQUEUE": "100k"}

    def test_a_subscriber_that_reads_nothing_is_cut(self):
        slow = self.open("/ws/topic?topic=s", rcvbuf=4096)
        stream = self.stream("/events?topic=s")
        reader = self.open("/ws/topic?topic=s")
        data = b"z" * 50000
        for i in range(200):
            self.assertEqual(self.publish("s", data), "ok")
            self.assertEqual(len(reader.recv()), len(data))
        with self.assertRaises((Broken, ConnectionError)):
            for _ in range(200):
                slow.recv()
        with self.assertRaises((Broken, ConnectionError)):
            while stream.next():
                pass


class Events(WsCase):
    def test_an_event_has_its_parts(self):
        s = self.stream("/events?topic=t")
        w = self.open("/ws/topic?topic=t")
        self.assertEqual(self.publish("t", b"one\ntwo", "&event=e&id=7"), "ok")
        self.assertEqual(s.next(), {"id": "7", "event": "e", "data": "one\ntwo"})
        self.assertEqual(w.recv(), "one\ntwo")
        self.assertEqual(s.head.get("cache-control"), "no-store")

    def test_bytes_that_are_no_text_are_binary(self):
        w = self.open("/ws/topic?topic=b")
        self.assertEqual(self.publish("b", b"\xff\x00"), "ok")
        self.assertEqual(w.recv(), b"\xff\x00")

    def test_topics_are_apart(self):
        a, b = self.stream("/events?topic=a"), self.stream("/events?topic=b")
        self.publish("a", b"for a")
        self.publish("b", b"for b")
        self.assertEqual(a.next()["data"], "for a")
        self.assertEqual(b.next()["data"], "for b")

    def test_what_is_refused(self):
        self.assertEqual(self.publish("t", b"x", "&event=a%0Adata:%20forged"), "Invalid argument")
        self.assertEqual(self.publish("t", b"x", "&id=a%0D"), "Invalid argument")
        self.assertEqual(self.publish("", b"x"), "Invalid argument")
        self.assertEqual(self.publish("t", b"x" * 65536), "Message too long")
        self.assertEqual(self.fetch(self.srv, "/events?topic=").status, 400)
        self.assertEqual(self.fetch(self.srv, "/events?topic=t", "HEAD").status, 200)

    def test_the_straight_line_form(self):
        s = self.stream("/events-line?n=3&ms=10")
        for i in "123":
            self.assertEqual(s.next(), {"id": i, "event": "tick", "data": i})
        self.assertIsNone(s.next())

    def test_a_client_of_http_1_0(self):
        conn = self.connect(self.srv)
        conn.send("GET /events?topic=old HTTP/1.0\r\n\r\n")
        self.assertEqual(conn.head().status, 200)
        time.sleep(0.1)
        self.publish("old", b"x")
        self.assertEqual(conn._exactly(20), b": welcome\n\ndata: x\n\n")


class Tls(WsCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.mkdtemp(prefix="molt-test-")
        cls.addClassCleanup(shutil.rmtree, directory, True)
        crt, key = certs.make(directory)
        cls.env = {"MOLT_SERVER_HTTPSCERTPATH": crt, "MOLT_SERVER_HTTPSKEYPATH": key}
        cls.srv = cls.shared_server(program("test/programs/app"), env=cls.env)

    def test_messages(self):
        for path, head in (("/ws/count", "%d "), ("/ws/line", "")):
            w = self.open(path, tls=True, deflate=True)
            for i in range(1, 30):
                data = "y" * (i * 3000)
                w.send(data)
                self.assertEqual(w.recv(), (head % i if head else "") + data)

    def test_a_restart_moves_what_can_save_itself(self):
        w = self.open("/ws/count", tls=True)
        w.send("before")
        self.assertEqual(w.recv(), "1 before")
        self.srv.restart()
        w.send("behind")
        self.assertEqual(w.recv(), "2 behind")

    def test_a_restart_closes_with_1012_what_does_not_move(self):
        srv = self.server(program("test/programs/app"),
                          env=dict(self.env, MOLT_SERVER_TLSHANDOVER="false"))
        w = self.open("/ws/count", tls=True, srv=srv)
        srv.restart()
        self.assertEqual(w.closed(5 * SLOW), 1012)


class Chat(WsCase):
    """The example."""

    @classmethod
    def setUpClass(cls):
        cls.srv = cls.shared_server(program("examples/chat"))

    def test_a_room_hears_itself_through_restarts(self):
        a, b = self.open("/ws/red"), self.open("/ws/red", deflate=True)
        other, stream = self.open("/ws/blue"), self.stream("/events/red")
        for i in range(1, 4):
            a.send("hello")
            for w in (a, b):
                self.assertEqual(w.recv(), "%d: hello" % i)
            self.assertEqual(stream.next()["data"], "%d: hello" % i)
            self.srv.restart()
        other.send("x")
        self.assertEqual(other.recv(), "1: x")


if __name__ == "__main__":
    main()
