"""The budget of memory of the process (memoryBudget): what clients make it keep has an end
over all of them, which is told to those who are over it, and the process serves on."""
import os
import re
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ws  # noqa: E402
from case import SLOW, Case, eventually, main, program  # noqa: E402

BODY = 300000
ROOM = BODY + 2  # that a body of this size takes: itself, a byte to see its end, a NUL
HEAD = b"--b\r\nContent-Disposition: form-data; name=c\r\n\r\n"
WHOLE = HEAD + b"x" * (BODY - len(HEAD) - 9) + b"\r\n--b--\r\n"
MIB = 1 << 20


class Budget(Case):
    def app(self, budget, **env):
        return self.server(program("test/programs/app"), env={
            "MOLT_SERVER_MEMORYBUDGET": budget, **env})

    def memory(self, srv):
        return self.admin(srv, "status", "GET").json["memory"]

    def upload(self, srv, part):
        """The first part of a body, whose answer is small."""
        conn = self.connect(srv, timeout=20 * SLOW)
        conn.send("POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n"
                  "Content-Type: multipart/form-data; boundary=b\r\n\r\n" % BODY)
        conn.send(WHOLE[:part])
        return conn

    def test_bodies_past_it_get_503_and_the_rest_is_answered(self):
        srv = self.app("1400k")
        held = [self.upload(srv, 200000) for _ in range(4)]
        self.assertTrue(eventually(lambda: self.memory(srv)["used"] == 4 * ROOM))
        refused = [self.upload(srv, BODY) for _ in range(6)]
        answers = [c.answer("POST") for c in refused]
        statuses = [a.status for a in answers]
        self.assertIn(503, statuses)
        self.assertLessEqual(set(statuses), {200, 503})
        for a in answers:
            if a.status == 503:
                self.assertEqual(a.get("retry-after"), "1")
        # Small ones are not affected, and those that had begun end well.
        self.assertEqual(self.fetch(srv, "/echo", "POST", body=b"small").body, b"small")
        for c in held:
            c.send(WHOLE[200000:])
            self.assertEqual(c.answer("POST").body, b"a=- b=-\n")
        now = self.memory(srv)
        self.assertEqual(now["budget"], 1400 << 10)
        self.assertEqual(now["refused"], statuses.count(503))
        srv.wait_log(r"memoryBudget \(1\.4 MiB\) is used up")
        self.assertEqual(srv.log().count("memoryBudget (1.4 MiB) is used up"), 1)
        self.assertTrue(eventually(lambda: self.memory(srv)["used"] == 0))

    def test_one_that_waits_for_room_gets_it_when_another_ends(self):
        srv = self.app("500k")
        first = self.upload(srv, 290000)
        self.assertTrue(eventually(lambda: self.memory(srv)["used"] == ROOM))
        second = self.upload(srv, BODY)
        first.send(WHOLE[290000:])
        self.assertEqual(first.answer("POST").status, 200)
        self.assertEqual(second.answer("POST").status, 200)
        self.assertEqual(self.memory(srv)["refused"], 0)

    def test_clients_that_take_nothing_are_cut_together(self):
        srv = self.app("2m", MOLT_SERVER_WSMAXQUEUE="64m", MOLT_SERVER_BODYTIMEOUT="20s")
        address = ("127.0.0.1", srv.port)
        behind = [ws.EventStream(address, "/events?topic=t") for _ in range(4)]
        for b in behind:
            self.addCleanup(b.close)
        text = b"x" * 14000
        for _ in range(3000):
            if self.memory(srv)["cut"] >= 1:
                break
            self.assertEqual(self.fetch(srv, "/publish?topic=t", "POST", body=text).status, 200)
        now = self.memory(srv)
        self.assertGreaterEqual(now["cut"], 1)
        self.assertLess(now["used"], 3 * MIB)
        self.assertEqual(self.text(srv, "/build"), "1\n")

    # -- answers that are gathered

    def asking(self, srv, target):
        """One that asks for much and takes little."""
        sock = socket.socket()
        self.addCleanup(sock.close)
        sock.settimeout(20 * SLOW)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", srv.port))
        sock.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % target.encode())
        return sock

    def test_an_answer_that_is_gathered_past_it_is_503(self):
        srv = self.app("12m")
        # Of 10 MB: more than the kernel's buffers take, and 16 MiB of room.
        self.assertEqual(self.fetch(srv, "/big?n=10000000").status, 503)
        slow = self.asking(srv, "/big?n=8000000")
        self.assertTrue(eventually(lambda: self.memory(srv)["used"] == 8 * MIB))
        refused = self.fetch(srv, "/big?n=8000000")
        self.assertEqual(refused.status, 503)
        self.assertEqual(refused.get("retry-after"), "1")
        self.assertEqual(len(self.fetch(srv, "/big?n=2000000").body), 2000000)
        self.assertEqual(self.memory(srv)["refused"], 2)
        srv.wait_log("[12] requests were refused")
        self.assertEqual(len(re.findall("[12] requests were refused", srv.log())), 1)
        slow.close()
        self.assertTrue(eventually(lambda: self.memory(srv)["used"] == 0))

    # -- requests

    def test_texts_of_a_form_and_what_waits_in_steps_are_counted(self):
        srv = self.app("900k")
        form = ("application/x-www-form-urlencoded", b"a=1&c=" + b"x" * 400000)
        answer = self.fetch(srv, "/form", "POST", body=form[1], headers=[("Content-Type", form[0])])
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.memory(srv)["used"], 0)
        large = b"a=1&c=" + b"x" * 500000
        answer = self.fetch(srv, "/form", "POST", body=large, headers=[("Content-Type", form[0])])
        self.assertEqual(answer.status, 503)

    def test_a_head_past_it_is_503(self):
        srv = self.app("300k", MOLT_SERVER_MAXHEADERBYTES="256k")
        field = "X: %s\r\n" % ("x" * 16000)
        held = []
        for _ in range(8):
            conn = self.connect(srv, timeout=20 * SLOW)
            conn.send("GET /build HTTP/1.1\r\nHost: a\r\n" + 5 * field)
            held.append(conn)
        refused = [c for c in held if self.is_refused(c)]
        self.assertGreaterEqual(len(refused), 1)
        self.assertLess(len(refused), 8)
        for c in held:
            if c not in refused:
                c.send("\r\n")
                self.assertEqual(c.answer("GET").status, 200)
        self.assertTrue(eventually(lambda: self.memory(srv)["used"] == 0))

    def is_refused(self, conn):
        """Of a head that is not whole: only a refusal answers it."""
        conn.sock.settimeout(1)
        try:
            answer = conn.head()
        except socket.timeout:
            return False
        finally:
            conn.sock.settimeout(20 * SLOW)
        self.assertEqual(answer.status, 503)
        self.assertEqual(answer.get("retry-after"), "1")
        return True

    # -- WebSockets

    def socket_to(self, srv, path="/ws/count", **more):
        w = ws.WebSocket(("127.0.0.1", srv.port), path, timeout=20 * SLOW, **more)
        self.addCleanup(w.close_socket)
        return w

    def test_a_message_that_grows_past_it_closes_with_1013(self):
        srv = self.app("1400k")
        half = b"!pid" + bytes(300000)  # its answer is small
        held = [self.socket_to(srv) for _ in range(4)]
        for w in held:
            w.conn.send(w.frame(ws.BINARY, half, fin=False))
        self.assertTrue(eventually(lambda: self.memory(srv)["used"] >= 4 * len(half)))
        late = self.socket_to(srv)
        late.conn.send(late.frame(ws.BINARY, half, fin=False))
        self.assertEqual(late.closed(), 1013)
        # Small ones go on, and those that had begun end well.
        small = self.socket_to(srv)
        small.send("hello")
        self.assertEqual(small.recv(), "1 hello")
        for w in held:
            w.conn.send(w.frame(0, b"end"))
            self.assertEqual(int(w.recv()), srv.pid)
        now = self.memory(srv)
        self.assertEqual((now["closed"], now["cut"], now["refused"]), (1, 0, 0))
        self.assertTrue(eventually(lambda: self.memory(srv)["used"] == 0))

    def test_each_of_many_small_fragments_is_counted_with_what_it_costs(self):
        srv = self.app("1m")
        w = self.socket_to(srv)
        piece = w.frame(0, b"x", fin=False)
        try:
            w.conn.send(w.frame(ws.BINARY, b"x", fin=False) + 40000 * piece)
        except ConnectionError:
            pass  # closed before all was sent
        self.assertEqual(w.closed(), 1013)

    def test_a_message_counts_inflated_and_while_it_is_worked_on(self):
        srv = self.app("1400k")
        first = self.socket_to(srv, deflate=True)
        first.send("!slow 2000 " + "x" * 900000)
        self.assertTrue(eventually(lambda: self.memory(srv)["used"] >= 900000))
        second = self.socket_to(srv, deflate=True)
        second.send("y" * 900000)
        self.assertEqual(second.closed(), 1013)
        self.assertEqual(len(first.recv()), 2 + 11 + 900000)
        self.assertTrue(eventually(lambda: self.memory(srv)["used"] == 0))

    def test_large_output_is_sent_at_once_and_who_takes_none_is_cut(self):
        srv = self.app("4m", MOLT_SERVER_WSMAXQUEUE="16m")
        behind = [self.socket_to(srv, rcvbuf=4096) for _ in range(4)]
        for w in behind:
            w.send("!big 16000000")
        self.assertTrue(eventually(lambda: self.memory(srv)["cut"] == 4))
        self.assertTrue(eventually(lambda: self.memory(srv)["used"] == 0))
        takes = self.socket_to(srv)
        takes.send("!big 1000000")
        self.assertEqual(len(takes.recv()), 1000000)

    def test_without_the_key_it_is_half_of_the_memory(self):
        srv = self.app("0")
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE")
        self.assertGreater(self.memory(srv)["budget"], 0)
        self.assertLessEqual(self.memory(srv)["budget"], total // 2)


if __name__ == "__main__":
    main()
