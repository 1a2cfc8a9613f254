"""WebSockets and event streams through restarts: nothing closed, nothing lost,
doubled or reordered; and what cannot move ends as promised."""
import os
import selectors
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
import ws  # noqa: E402
from case import SHORT, SLOW, eventually, main  # noqa: E402
from release import RestartCase  # noqa: E402

SOCKETS = int(os.environ.get("MOLT_WS_SOCKETS", "40" if SHORT else "200"))
RESTARTS = int(os.environ.get("MOLT_WS_RESTARTS", "4" if SHORT else "20"))
WINDOW = 4  # messages under way on an active socket


class Flow:
    """A socket that sends numbered messages and expects each to come back with the
    number that the server's own counter gave it: both directions are checked."""

    def __init__(self, address, deflate, active, tls=None):
        self.ws = ws.WebSocket(address, "/ws/count", deflate=deflate, tls=tls)
        self.ws.conn.sock.setblocking(False)
        self.active = active
        self.sent = self.got = 0
        self.wrong = None
        self.out = b""

    def _one(self):
        """The text of the next whole frame in the buffer; None: not yet there."""
        buf = self.ws.conn.buf
        if len(buf) < 2 or len(buf) < 2 + (buf[1] & 0x7f):
            return None
        opcode, _, _, data = self.ws.recv_frame()
        if opcode == ws.PING:
            self.out += self.ws.frame(ws.PONG, data)
            return ""
        if opcode != ws.TEXT:
            self.wrong = "frame %d %r" % (opcode, data)
            return None
        return data.decode()

    def fill(self):
        while self.active and self.sent - self.got < WINDOW:
            self.sent += 1
            self.out += self.ws.frame(ws.TEXT, "%d" % self.sent)

    def send(self):
        if self.out:
            try:
                self.out = self.out[self.ws.conn.sock.send(self.out):]
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass

    def receive(self):
        while not self.wrong:
            try:
                data = self.ws.conn.sock.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            if not data:
                self.wrong = "closed after %d messages" % self.got
            self.ws.conn.buf += data
            self._look()

    def _look(self):
        while not self.wrong:
            text = self._one()
            if text is None:
                return
            if text:
                self.got += 1
                if text != "%d %d" % (self.got, self.got):
                    self.wrong = "message %d is %r" % (self.got, text)


class Crowd(threading.Thread):
    """Many flows in one thread, until stop()."""

    def __init__(self, flows):
        super().__init__(daemon=True)
        self.flows = flows
        self.ending = False
        self.all_active = False
        self.failure = None

    def run(self):
        try:
            self._run()
        except Exception as e:  # told by stop()
            self.failure = e

    def _run(self):
        selector = selectors.DefaultSelector()
        for flow in self.flows:
            selector.register(flow.ws.conn.sock, selectors.EVENT_READ, flow)
            flow.fill()
            flow.send()
        while not self.ending or any(f.got < f.sent and not f.wrong for f in self.flows):
            for key, _ in selector.select(0.05):
                flow = key.data
                flow.receive()
                if flow.wrong:
                    selector.unregister(flow.ws.conn.sock)
                    continue
                if not self.ending:
                    flow.fill()
            for flow in self.flows:
                if self.all_active and not flow.active:
                    flow.active = True
                    flow.fill()
                if not flow.wrong:
                    flow.send()

    def stop(self):
        self.ending = True
        self.join(30 * SLOW)
        return self.failure


class WsCase(RestartCase):
    tls = None

    def server(self, argv, env=None, **kw):
        if self.tls:
            crt, key = certs.make(self.dir)
            env = {"MOLT_SERVER_HTTPSCERTPATH": crt, "MOLT_SERVER_HTTPSKEYPATH": key, **(env or {})}
        return super().server(argv, env=env, **kw)

    def connect(self, where, **kw):
        return super().connect(where, **{"tls": self.tls, **kw})

    def socket(self, srv, path, **kw):
        w = ws.WebSocket(("127.0.0.1", srv.port), path, timeout=10 * SLOW, tls=self.tls, **kw)
        self.addCleanup(w.close_socket)
        return w

    def stream(self, srv, path):
        s = ws.EventStream(("127.0.0.1", srv.port), path, timeout=10 * SLOW, tls=self.tls)
        self.addCleanup(s.close)
        return s

    def publish(self, srv, topic, i):
        """The pid of the process that published it."""
        answer = self.fetch(srv, "/publish?topic=%s&id=%d" % (topic, i), "POST", body=b"%d" % i)
        self.assertEqual(answer.body, b"ok\n", answer)
        return answer.get("x-pid")


class Moves(WsCase):
    def test_active_and_idle_sockets_survive_every_restart(self):
        self.put("1")
        srv = self.server(self.path("app"), env={"MOLT_SERVER_MAXCONNECTIONS": "5000"})
        address = ("127.0.0.1", srv.port)
        flows = [Flow(address, i % 4 == 1, i % 2 == 0, self.tls) for i in range(SOCKETS)]
        for f in flows:
            self.addCleanup(f.ws.close_socket)
        pids = {srv.pid}
        crowd = Crowd(flows)
        crowd.start()
        for i in range(RESTARTS):
            self.put("12"[i % 2])
            pids.add(srv.restart())
            time.sleep(0.15)
        # Those that were quiet speak at last, to the newest process.
        eventually(lambda: len(srv.pids()) == 1, 10)
        crowd.all_active = True
        time.sleep(0.3)
        failure = crowd.stop()
        total = sum(f.got for f in flows)
        print("%s%d sockets, %d restarts, %d messages each way" % (
            "TLS: " if self.tls else "", SOCKETS, RESTARTS, total),
              flush=True)
        self.assertIsNone(failure)
        self.assertEqual([f.wrong for f in flows if f.wrong], [], srv.log()[-2000:])
        self.assertTrue(all(f.got == f.sent > 0 for f in flows))
        self.assertEqual(len(pids), RESTARTS + 1)
        self.assertEqual(srv.pids(), [srv.pid], "an old generation stays")

    def test_the_socket_answers_from_the_new_process(self):
        srv = self.app()
        w = self.socket(srv, "/ws/count")
        w.send("!pid")
        self.assertEqual(w.recv(), str(srv.pid))
        new = self.restarted(srv)
        w.send("!pid")
        self.assertEqual(w.recv(), str(new))
        w.send("x")
        self.assertEqual(w.recv(), "3 x")

    def test_a_half_sent_frame_and_a_running_callback_move_later(self):
        srv = self.app()
        half, slow = self.socket(srv, "/ws/count"), self.socket(srv, "/ws/count")
        frame = half.frame(ws.TEXT, "half")
        half.conn.send(frame[:5])
        slow.send("!slow 400")
        slow.send("next")
        time.sleep(0.05)
        old = srv.pid
        new = self.restarted(srv)
        half.conn.send(frame[5:])
        self.assertEqual(half.recv(), "1 half")
        self.assertEqual(slow.recv(), "1 !slow 400")
        self.assertEqual(slow.recv(), "2 next")
        slow.send("!pid")
        self.assertEqual(slow.recv(), str(new))
        self.assertTrue(eventually(lambda: old not in srv.pids(), 5))

    def test_a_message_in_fragments_is_finished_first(self):
        srv = self.app()
        w = self.socket(srv, "/ws/count")
        w.conn.send(w.frame(ws.TEXT, "a", fin=False))
        time.sleep(0.05)
        new = self.restarted(srv)
        w.conn.send(w.frame(0, "b", fin=False))
        time.sleep(0.1)
        w.conn.send(w.frame(0, "c"))
        self.assertEqual(w.recv(), "1 abc")
        w.send("!pid")
        self.assertEqual(w.recv(), str(new))

    def test_deflate_goes_on(self):
        srv = self.app()
        w = self.socket(srv, "/ws/count", deflate=True)
        for i in range(1, 6):
            w.send("y" * 500)
            self.assertEqual(w.recv(), "%d %s" % (i, "y" * 500))
            self.restarted(srv)

    def closed_while_it_moves(self, restore_ms):
        """Its state is with the successor for a second, and nobody knows who will have it.
        Less than 0: the restore fails behind that."""
        srv = self.app(env={"APP_RESTORE_MS": str(restore_ms), "MOLT_SERVER_LOOPS": "1"})
        w = self.socket(srv, "/ws/count")
        w.send("x")
        self.assertEqual(w.recv(), "1 x")
        closer = self.connect(srv, timeout=20 * SLOW)
        closer.send("GET /ws/close HTTP/1.1\r\nHost: a\r\n\r\n")
        self.restarted(srv)
        self.assertEqual(closer.answer().body, b"0\n")
        return srv, w

    def test_one_that_is_closed_while_it_moves_does_not_stay_open(self):
        srv, w = self.closed_while_it_moves(1000)
        self.assertIn(w.closed(10 * SLOW), (1006, 3000))
        self.assertTrue(eventually(lambda: srv.pids() == [srv.pid], 10))

    def test_one_that_is_closed_and_then_refused_is_closed_properly(self):
        _, w = self.closed_while_it_moves(-1000)
        self.assertEqual(w.closed(10 * SLOW), 3000)


class MovesTls(Moves):
    """The same over TLS."""
    tls = True


class Stays(WsCase):
    def closed_by_restart(self, path, **kw):
        srv = self.app()
        w = self.socket(srv, path, **kw)
        self.restarted(srv)
        self.assertEqual(w.closed(5 * SLOW), 1012)
        return srv

    def test_without_save(self):
        self.closed_by_restart("/ws/stays")

    def test_a_save_that_fails(self):
        self.closed_by_restart("/ws/broken")

    def test_the_straight_line_form(self):
        srv = self.closed_by_restart("/ws/line")
        srv.wait_log("line closed 1012")

    def test_a_server_that_hands_nothing_over(self):
        srv = self.app(env={"MOLT_SERVER_HANDOVER": "false"})
        w = self.socket(srv, "/ws/count")
        self.restarted(srv)
        self.assertEqual(w.closed(5 * SLOW), 1012)
        srv.wait_log("ws closed 1012")

    def test_an_endpoint_that_the_new_program_lacks(self):
        srv = self.app()
        w = self.socket(srv, "/ws/old?topic=t")
        self.put("2")
        self.restarted(srv)
        self.assertEqual(w.closed(5 * SLOW), 1012)

    def test_closing_is_spread(self):
        srv = self.app(env={"MOLT_SERVER_WSCLOSESPREAD": "1s"})
        sockets = [self.socket(srv, "/ws/stays") for _ in range(20)]
        begun = time.monotonic()
        self.restarted(srv)
        times = []
        for w in sockets:
            self.assertIsNone(w.recv())
            times.append(time.monotonic() - begun)
            w.send_close()
        self.assertEqual([w.code for w in sockets], [1012] * 20)
        self.assertGreater(max(times), 0.3)

    def test_a_shutdown_closes_with_1001(self):
        srv = self.app()
        w = self.socket(srv, "/ws/count")
        os.kill(srv.pid, 15)
        self.assertEqual(w.closed(5 * SLOW), 1001)
        srv.wait_log("ws closed 1001")

    def test_a_straight_line_stream_ends_between_events(self):
        srv = self.app()
        s = self.stream(srv, "/events-line?n=1000&ms=20")
        self.assertEqual(s.next()["data"], "1")
        self.restarted(srv)
        last = 1
        while True:
            event = s.next()
            if event is None:
                break
            last += 1
            self.assertEqual(event["data"], str(last))
        self.assertIsNotNone(s.retry)


class Topics(WsCase):
    def reader(self, source, get):
        """Collects in a thread what get(source) gives until it gives None."""
        seen = []

        def run():
            try:
                while True:
                    value = get(source)
                    if value in (None, "end"):
                        return
                    seen.append(int(value))
            except Exception as e:
                seen.append(e)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread, seen

    def test_every_subscriber_gets_every_event_once(self):
        """Published all the time by whichever process takes the request, to streams
        and WebSockets, while they move.  What one process publishes keeps its order."""
        self.put("1")
        srv = self.server(self.path("app"))
        n, restarts = (6, 3) if SHORT else (20, 10)
        readers = []
        for _ in range(n):
            s = self.stream(srv, "/events?topic=t")
            readers.append(self.reader(s, lambda s: s.next()["data"]))
            w = self.socket(srv, "/ws/topic?topic=t", deflate=True)
            readers.append(self.reader(w, lambda w: w.recv()))
        stop, count, port, by = threading.Event(), [0], srv.port, {}

        def publisher():
            # A request a connection, and kept ones too: both generations publish.
            kept = self.connect(port)
            while not stop.is_set():
                count[0] += 1
                path = "/publish?topic=t&id=%d" % count[0]
                if count[0] % 2:
                    answer = kept.request("POST", path, body=b"%d" % count[0])
                    if answer.closes:
                        kept = self.connect(port)
                else:
                    answer = self.fetch(port, path, "POST", body=b"%d" % count[0])
                assert answer.body == b"ok\n", answer
                by.setdefault(answer.get("x-pid"), []).append(count[0])

        thread = threading.Thread(target=publisher)
        thread.start()
        try:
            for i in range(restarts):
                time.sleep(0.2)
                self.put("12"[i % 2])
                srv.restart()
        finally:
            time.sleep(0.2)
            stop.set()
            thread.join()
        self.fetch(port, "/publish?topic=t", "POST", body=b"end")
        for thread, _ in readers:
            thread.join(20 * SLOW)
        print("%d subscribers, %d restarts, %d events" % (2 * n, restarts, count[0]), flush=True)
        wanted = list(range(1, count[0] + 1))
        for _, seen in readers:
            lost = [i for i in wanted if i not in seen][:5]
            self.assertEqual(sorted(seen), wanted, "lost: %r" % lost)
            for pid, published in by.items():
                mine = set(published)
                self.assertEqual([i for i in seen if i in mine], published, pid)
        self.assertGreater(len(by), restarts // 2, "few generations published")
        self.assertTrue(eventually(lambda: srv.pids() == [srv.pid], 10), "they did not move")

    def test_a_subscriber_of_the_old_process_hears_the_new_one(self):
        srv = self.app()
        s = self.stream(srv, "/events?topic=a")
        slow = self.socket(srv, "/ws/count")
        slow.send("!slow 3000")  # keeps the old process alive
        time.sleep(0.05)
        self.restarted(srv)
        late = self.stream(srv, "/events?topic=a")
        for i in range(1, 4):
            self.publish(srv, "a", i)
            self.assertEqual(s.next()["data"], str(i))
            self.assertEqual(late.next()["data"], str(i))

    def test_output_that_was_not_taken_moves_along(self):
        srv = self.app()
        s = self.stream(srv, "/events?topic=b")
        for i in range(1, 30):
            self.publish(srv, "b", i)
        self.restarted(srv)
        self.publish(srv, "b", 30)
        self.assertEqual([int(s.next()["data"]) for _ in range(30)], list(range(1, 31)))


class TopicsTls(Topics):
    """The same over TLS."""
    tls = True


if __name__ == "__main__":
    main()
