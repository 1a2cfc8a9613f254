"""Requests in steps, without a restart: what a step sees, what ends with each
part, what is refused; and answers whose length is said before."""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ws  # noqa: E402
from case import SLOW, Case, main, program  # noqa: E402
from rawhttp import Broken  # noqa: E402

GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"


class Steps(Case):
    @classmethod
    def setUpClass(cls):
        cls.srv = cls.shared_server(program("test/programs/app"),
                                    env={"MOLT_SERVER_ACCESSLOGENABLED": "true"})

    def parts(self, path, **kw):
        answer = self.fetch(self.srv, path, **kw)
        self.assertEqual(answer.status, 200, answer)
        return answer.body.split()

    def test_any_number_of_steps(self):
        self.assertEqual(self.parts("/step/pids?ms=0&hops=50"), [b"%d" % self.srv.pid] * 51)

    def test_the_delay_is_kept(self):
        begun = time.monotonic()
        self.parts("/step/pids?ms=100&hops=3")
        self.assertGreaterEqual(time.monotonic() - begun, 0.3)

    def test_a_step_runs_on_a_pool_thread_when_it_says_so(self):
        held = [self.held(self.srv, "/step/blocking") for _ in range(4)]
        for _ in range(8):  # on each loop
            self.text(self.srv, "/pid")
        self.assertEqual([h.answer().body for h in held], [b"blocked\n"] * 4)

    def test_middleware_of_steps_runs_around_each_part_but_the_first(self):
        answer = self.fetch(self.srv, "/step/guarded/in/x")
        self.assertEqual((answer.status, answer.body.decode()), (200, "use(first)\n" + 2 * (
            "outer(inner(guard step)\n)\n")))

    def test_middleware_of_steps_may_answer_in_their_place(self):
        answer = self.fetch(self.srv, "/step/guarded/in/x?refuse=1")
        self.assertEqual(answer.status, 403)
        self.assertIn(b"not any more", answer.body)
        self.assertNotIn(b"step", answer.body)

    def test_what_was_flushed_comes_before_the_wait(self):
        held = self.held(self.srv, "/step/pids?mode=stream")
        conn = held.conn
        head = conn.head()
        self.assertEqual(conn._line(), b"%x" % len(b"%d\n" % self.srv.pid))
        held.release()
        self.assertEqual(head.get("transfer-encoding"), "chunked")

    def test_deferred_calls_and_values_end_with_each_part(self):
        since = self.srv.mark()
        held = self.held(self.srv, "/step/show/x")
        conn = held.conn
        self.srv.wait_log("ended: deferred", since=since)
        self.srv.wait_log("ended: a value", since=since)
        conn.sock.setblocking(False)
        with self.assertRaises(BlockingIOError):
            conn.sock.recv(1)  # it still waits
        conn.sock.settimeout(60 * SLOW)
        answer = held.answer()
        self.assertIn(b"value=-\n", answer.body)

    def test_the_body_is_read_first(self):
        conn = self.connect(self.srv)
        conn.send(b"POST /step/show/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                  b"Transfer-Encoding: chunked\r\n\r\n")
        self.assertEqual(conn.head().status, 100)
        conn.send(b"3\r\nabc\r\n")
        time.sleep(0.1)
        conn.send(b"2\r\nde\r\n0\r\n\r\n")
        self.assertIn(b"body=abcde\n", conn.answer().body)
        self.assertEqual(conn.request("GET", "/pid").status, 200)

    def test_a_body_that_is_too_long_is_a_413(self):
        conn = self.connect(self.srv)
        conn.send(b"POST /step/show/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                  b"fffffff\r\n")
        answer = conn.answer()
        self.assertEqual(answer.status, 413)
        self.assertTrue(answer.closes)

    def test_a_streamed_body_must_have_been_read(self):
        answer = self.fetch(self.srv, "/step/unread", "POST", body=b"abc")
        self.assertEqual(answer.body, b"Device or resource busy\n")

    def test_what_is_refused(self):
        self.assertEqual(self.text(self.srv, "/step/errors").splitlines(), [
            "unknown: No such file or directory", "large: Message too long",
            "delay: Invalid argument", "topic: Invalid argument"])

    def test_head_gets_the_head_of_both_parts(self):
        answer = self.fetch(self.srv, "/step/pids?ms=0", "HEAD")
        self.assertEqual(answer.get("content-length"), str(2 * len(b"%d\n" % self.srv.pid)))

    def test_pipelined_requests_wait_behind_it(self):
        conn = self.connect(self.srv)
        conn.send(GET % b"/step/pids?ms=200" + GET % b"/step/pids?ms=0" + GET % b"/id?id=9")
        self.assertEqual(len(conn.answer().body.split()), 2)
        self.assertEqual(len(conn.answer().body.split()), 2)
        self.assertEqual(conn.answer().body.split()[0], b"9")

    def test_an_event_wakes_it_and_each_comes_once(self):
        conn = self.connect(self.srv)
        conn.send(GET % b"/step/tail?topic=e2e")
        head = conn.head()
        time.sleep(0.1)
        for i in range(1, 21):
            self.fetch(self.srv, "/publish?topic=e2e&id=%d" % i, "POST", body=b"x")
        self.fetch(self.srv, "/publish?topic=other", "POST", body=b"end")
        self.fetch(self.srv, "/publish?topic=e2e&id=21", "POST", body=b"end")
        rows = conn.body(head).decode().splitlines()
        self.assertEqual([row.split()[1] for row in rows[1:]], [str(i) for i in range(1, 22)])

    def test_events_over_the_limit_are_told(self):
        srv = self.server(program("test/programs/app"), env={"MOLT_SERVER_WSMAXQUEUE": "4k"})
        conn = self.connect(srv, timeout=20 * SLOW)
        conn.send(GET % b"/step/tail?topic=t&ms=500")
        head = conn.head()
        time.sleep(0.1)
        for i in range(10):
            self.fetch(srv, "/publish?topic=t&id=%d" % i, "POST", body=b"x" * 1000)
        rows = conn.body(head).decode().splitlines()
        self.assertEqual(rows[0], "begun")
        self.assertEqual(rows[1].split()[1], "0")
        self.assertEqual(rows[2:], ["tail: No buffer space available"])

    def test_a_step_may_begin_an_event_stream(self):
        stream = ws.EventStream(("127.0.0.1", self.srv.port), "/step/stream?topic=s",
                                timeout=10 * SLOW)
        self.addCleanup(stream.close)
        self.fetch(self.srv, "/publish?topic=s", "POST", body=b"hello")
        self.assertEqual(stream.next()["data"], "hello")

    def test_a_step_may_open_a_websocket(self):
        socket = ws.WebSocket(("127.0.0.1", self.srv.port), "/step/ws", timeout=10 * SLOW)
        self.addCleanup(socket.close_socket)
        socket.send("hello")
        self.assertEqual(socket.recv(), "hello")

    def test_an_error_gets_the_page_of_its_group(self):
        answer = self.fetch(self.srv, "/step/lost/thing")
        self.assertEqual((answer.status, answer.body), (404, b"the group's page about thing\n"))

    def test_without_an_event_the_time_is_over(self):
        begun = time.monotonic()
        answer = self.fetch(self.srv, "/step/poll?ms=200")
        self.assertEqual((answer.status, answer.get("x-early")), (204, "no"))
        self.assertGreaterEqual(time.monotonic() - begun, 0.2)

    def test_it_counts_as_one_request(self):
        since = self.srv.mark()
        answer = self.fetch(self.srv, "/step/pids?ms=50&hops=4")
        self.assertEqual(answer.status, 200)
        self.srv.wait_log(r'200 "GET http \S+ /step/pids\?ms=50&hops=4 ', since=since)
        self.assertEqual(len(re.findall(r"hops=4 HTTP", self.srv.log())), 1)

    def test_many_clients_that_leave_are_all_dropped(self):
        conns = [self.connect(self.srv) for _ in range(100)]
        for i, conn in enumerate(conns):
            conn.send(GET % (b"/step/tail?topic=gone" if i % 2 else b"/step/pids?ms=60000"))
        self.wait_running(self.srv, len(conns))
        for conn in conns:
            conn.close()
        self.wait_running(self.srv, 0)
        self.fetch(self.srv, "/publish?topic=gone", "POST", body=b"nobody")


class Length(Case):
    @classmethod
    def setUpClass(cls):
        cls.srv = cls.shared_server(program("test/programs/app"))

    def test_a_flushed_answer_whose_length_was_said(self):
        answer = self.fetch(self.srv, "/step/pids?ms=10&mode=length&hops=3")
        self.assertEqual((answer.get("content-length"), answer.get("transfer-encoding")),
                         ("40", None))
        self.assertFalse(answer.closes)

    def test_one_that_is_shorter_is_cut(self):
        conn = self.connect(self.srv)
        conn.send(GET % b"/length?say=10&n=5")
        with self.assertRaises(Broken):
            conn.answer()

    def test_of_a_longer_one_the_rest_is_not_sent(self):
        conn = self.connect(self.srv)
        self.assertEqual(conn.request("GET", "/length?say=5&n=10").body, b"xxxxx")
        self.assertEqual(conn.request("GET", "/pid").status, 200)

    def test_an_error_page_has_its_own(self):
        answer = self.fetch(self.srv, "/length?say=5&n=0&status=500")
        self.assertEqual(answer.status, 500)
        self.assertEqual(int(answer.get("content-length")), len(answer.body))
        self.assertGreater(len(answer.body), 5)


if __name__ == "__main__":
    main()
