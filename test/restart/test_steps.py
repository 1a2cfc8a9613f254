"""Requests that wait without a stack, through restarts: the first half of an
answer from the old program, the second from the new one; nothing is lost, run
twice or heard twice; and what cannot move is finished where it is."""
import os
import re
import resource
import select
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
from case import SHORT, SLOW, eventually, main  # noqa: E402
from rawhttp import Broken  # noqa: E402
from release import RestartCase  # noqa: E402

GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"
WAITING = int(os.environ.get("MOLT_STEPS_WAITING", "200" if SHORT else "1000"))
BURST = 100  # events that are published at once
RESTARTS = int(os.environ.get("MOLT_STEPS_RESTARTS", "5"))


def files(n):
    """Lets this process have n more descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, n + 200)), hard))


class StepCase(RestartCase):
    def begin(self, srv, path, **kw):
        """Sends a request that waits for longer than the test, or for an event, and returns
        when the server has it: it answers what came later."""
        conn = self.connect(srv, timeout=60 * SLOW, **kw)
        conn.send(GET % path.encode())
        running = 1 + self.started
        self.assertTrue(eventually(lambda: self.requests(srv) > running, 30))
        self.started = running
        return conn

    started = 0  # requests that wait by now, of this test's server

    def requests(self, srv):
        """Those that run, this one included."""
        return self.status(srv)["servers"][0]["requests"]

    def pids_of(self, answer):
        self.assertEqual(answer.status, 200, answer)
        return [int(line) for line in answer.body.split()]


class Moves(StepCase):
    def both_halves(self, query, minor=1, behind=b""):
        srv = self.app()
        old = srv.pid
        held = self.held(srv, "/step/pids?hops=1" + query, minor=minor, behind=behind)
        new = self.restarted(srv)
        self.assertTrue(eventually(lambda: old not in srv.pids(), 20),
                        "the old process waits for the request")
        answer = held.answer()
        self.assertEqual(self.pids_of(answer), [old, new])
        return srv, held.conn, answer

    def test_the_second_half_of_a_buffered_answer_is_of_the_new_program(self):
        srv, conn, answer = self.both_halves("")
        self.assertIsNotNone(answer.get("content-length"))
        self.assertFalse(answer.closes)
        self.assertEqual(int(conn.request("GET", "/pid").body), srv.pid)

    def test_of_a_chunked_answer_that_has_begun(self):
        srv, conn, answer = self.both_halves("&mode=stream")
        self.assertEqual(len(answer.chunks), 2)
        self.assertEqual(int(conn.request("GET", "/pid").body), srv.pid)

    def test_of_one_whose_length_was_said(self):
        srv, conn, answer = self.both_halves("&mode=length")
        self.assertEqual(answer.get("content-length"), "20")
        self.assertEqual(int(conn.request("GET", "/pid").body), srv.pid)

    def test_of_one_that_ends_with_the_connection(self):
        _, conn, answer = self.both_halves("&mode=stream", minor=0)
        self.assertIsNone(answer.get("content-length"))
        self.assertEqual(conn.rest(), b"")

    def test_of_a_buffered_one_over_http_1_0(self):
        _, _, answer = self.both_halves("", minor=0)
        self.assertIsNotNone(answer.get("content-length"))

    def test_requests_behind_it_are_answered_after_it(self):
        behind = b"".join(GET % (b"/id?id=%d" % i) for i in range(3))
        srv, conn, _ = self.both_halves("", behind=behind)
        for i in range(3):
            self.assertEqual(conn.answer().body.split()[:2], [b"%d" % i, b"%d" % srv.pid])

    def test_requests_sent_while_it_waits_are_too(self):
        srv = self.app()
        held = self.held(srv, "/step/pids?mode=stream")
        conn = held.conn
        conn.send(GET % b"/id?id=a")
        self.restarted(srv)
        conn.send(GET % b"/id?id=b")
        self.assertEqual(len(self.pids_of(held.answer())), 2)
        for name in (b"a", b"b"):
            self.assertEqual(conn.answer().body.split()[:2], [name, b"%d" % srv.pid])

    def test_a_chain_goes_through_every_generation(self):
        srv = self.app()
        # One part each 100 ms, more than there is time for in all restarts.
        conn = self.connect(srv, timeout=60 * SLOW)
        conn.send(GET % b"/step/pids?ms=100&hops=1000&mode=stream")
        head = conn.head()
        self.assertEqual(head.status, 200)
        pids, seen = [srv.pid], []

        def part():
            size = int(conn._line(), 16)
            seen.append(int(conn._exactly(size)))
            self.assertEqual(conn._line(), b"")
            return seen[-1]

        self.assertEqual(part(), pids[0])
        for _ in range(4):
            pids.append(self.restarted(srv))
            while part() != pids[-1]:
                self.assertIn(seen[-1], pids)
        self.assertEqual(seen, sorted(seen, key=pids.index), "it went back")

    def zero(self, srv):
        conn = self.connect(srv, timeout=60 * SLOW)
        conn.send(GET % b"/step/zero?moves=3")
        return conn

    def test_waits_of_no_time_move_too(self):
        srv = self.app()
        conns = [self.zero(srv) for _ in range(4)]
        pids = [srv.pid]
        self.assertTrue(eventually(lambda: self.requests(srv) == 5, 30))
        for _ in range(3):
            pids.append(self.restarted(srv))
        for conn in conns:
            self.assertEqual(self.pids_of(conn.answer()), pids)

    def test_one_wait_moves_through_several_generations(self):
        srv = self.app()
        held = self.held(srv, "/step/pids")
        first = srv.pid
        for _ in range(3):
            self.restarted(srv)
            self.assertTrue(eventually(lambda: len(srv.pids()) == 1, 20))
        self.assertEqual(self.pids_of(held.answer()), [first, srv.pid])

    def test_the_time_of_a_wait_does_not_begin_anew_when_it_moves(self):
        """Restarts one after another for longer than it waits: it would never end."""
        srv = self.app()
        conn = self.connect(srv, timeout=60 * SLOW)
        conn.send(GET % b"/step/pids?ms=2000")
        begun, restarts = time.monotonic(), 0
        while not select.select([conn.sock], [], [], 0)[0]:
            self.restarted(srv)
            restarts += 1
            self.assertLess(restarts, 500, "its time began anew")
        self.assertEqual(len(self.pids_of(conn.answer())), 2)
        self.assertGreaterEqual(time.monotonic() - begun, 2)

    def test_the_step_sees_the_whole_request(self):
        srv = self.app()
        conn = self.connect(srv, timeout=60 * SLOW)
        body, hold = b"f=" + b"y" * 3000, self.path("hold")
        target = "/step/show/a%2Fb?q=1&hold=" + hold
        conn.send(b"POST " + target.encode() + b" HTTP/1.1\r\nHost: Ex.org:1\r\n"
                  b"X-Field: v\r\nCookie: c=d\r\nX-Empty:\r\n"
                  b"Content-Type: application/x-www-form-urlencoded\r\n"
                  b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.assertTrue(eventually(lambda: os.path.exists(hold), 30))
        self.restarted(srv)
        os.unlink(hold)
        answer = conn.answer()
        self.assertEqual(answer.status, 202)
        self.assertEqual(answer.all("x-first"), ["one", "two"])
        self.assertEqual(answer.all("x-second"), ["three"])
        lines = dict(line.split("=", 1) for line in answer.body.decode().splitlines())
        ids = re.findall(r"id=(\w+)\n", answer.body.decode())
        self.assertEqual(ids[0], ids[1])
        self.assertEqual(lines["state"], ids[0])
        want = {"method": "POST", "target": target, "param": "a/b",
                "query": "1", "field": "v", "cookie": "c=d"[2:], "host": "ex.org",
                "ip": "127.0.0.1", "arg": "an argument", "value": "-", "form": "y" * 3000,
                "body": body.decode()}
        self.assertEqual({k: lines[k] for k in want}, want)

    def test_the_access_log_has_one_line_with_the_whole_time(self):
        srv = self.app(env={"MOLT_SERVER_ACCESSLOGENABLED": "true"})
        begun = time.monotonic()
        held = self.held(srv, "/step/pids")
        since = time.monotonic()
        self.restarted(srv)
        least = time.monotonic() - since
        self.assertEqual(len(self.pids_of(held.answer())), 2)
        most = time.monotonic() - begun
        found = srv.wait_log(r'gen (\d) 200 "GET http a /step/pids\S* HTTP/1.1" ([\d.]+),')
        self.assertEqual(found.group(1), "2")
        # The client has seen less than the whole of it, and more.  A loop's clock is that
        # of its turn, so it may lag; the successor's part alone would be next to nothing.
        self.assertGreaterEqual(float(found.group(2)), least / 2)
        self.assertLessEqual(float(found.group(2)), most + 0.001)
        self.assertEqual(len(re.findall(r"GET http a /step/pids", srv.log())), 1)


class Many(StepCase):
    def test_nothing_is_lost_or_run_twice(self):
        """Many waiting requests, buffered and streamed, and all of them move each time."""
        self.put("1")
        srv = self.server(self.path("app"), env={"MOLT_SERVER_MAXCONNECTIONS": "20000"})
        conns, first = [], srv.pid
        files(WAITING)
        for i in range(WAITING):
            mode = ("", "&mode=stream", "&mode=length")[i % 3]
            conn = self.connect(srv, timeout=60 * SLOW)
            conn.send(GET % b"/step/pids?topic=end&ms=3600000%s" % mode.encode())
            conns.append(conn)
        self.assertTrue(eventually(lambda: self.requests(srv) > WAITING, 30))
        begun, old = time.monotonic(), [first]
        for i in range(RESTARTS):
            self.put("12"[i % 2])
            old.append(srv.restart())
            self.assertTrue(eventually(lambda: srv.pids() == old[-1:], 30),
                            "generation %d keeps some" % (i + 1))
        took = time.monotonic() - begun
        self.fetch(srv, "/publish?topic=end", "POST", body=b"now")
        answers = [self.pids_of(conn.answer()) for conn in conns]
        moved = sum(a == [first, srv.pid] for a in answers)
        print("%d waiting requests moved %d times in %.1f s, %d ended in the last generation"
              % (WAITING, RESTARTS, took, moved), flush=True)
        self.assertTrue(all(len(a) == 2 and a[0] == first for a in answers))
        self.assertEqual(moved, WAITING, "some ended before: %r" % took)
        self.assertTrue(eventually(lambda: srv.log().count("step of ") >= WAITING, 10))
        ran = re.findall(r"step of (\w+)", srv.log())
        self.assertEqual(len(ran), WAITING)
        self.assertEqual(len(set(ran)), WAITING, "a step ran twice")
        for conn in conns:  # the connections live on
            conn.send(GET % b"/pid")
        self.assertEqual({int(conn.answer().body) for conn in conns}, {srv.pid})
        self.assertTrue(eventually(lambda: srv.pids() == [srv.pid], 10))


class Events(StepCase):
    def test_long_polls_keep_their_clients_and_miss_nothing(self):
        """Each poller asks for what is behind what it has; nobody's timeout ever
        comes, so a lost wake-up would be seen as a stall."""
        store = self.path("store")
        self.put("1")
        srv = self.server(self.path("app"), env={"APP_STORE": store})
        pollers, lines, restarts = (5, 60, 3) if SHORT else (20, 200, 5)
        port, results = srv.port, [None] * pollers
        reconnects = [0]

        def poll(i):
            conn = self.connect(port, timeout=30 * SLOW)
            seen, pids = [], set()
            try:
                while len(seen) < lines:
                    answer = conn.request("GET", "/step/poll?ms=25000&after=%d" % len(seen))
                    if answer.status != 200:
                        raise AssertionError("a poll's time was over: %r" % answer)
                    seen += [int(line) for line in answer.body.split()]
                    if answer.closes:
                        reconnects[0] += 1
                        conn = self.connect(port, timeout=30 * SLOW)
                results[i] = seen
            except Exception as e:
                results[i] = e

        threads = [threading.Thread(target=poll, args=(i,), daemon=True) for i in range(pollers)]
        for t in threads:
            t.start()
        done = threading.Event()

        def write():
            kept = self.connect(port, timeout=20 * SLOW)
            for n in range(1, lines + 1):
                where = kept if n % 2 else self.connect(port, timeout=20 * SLOW)
                answer = where.request("POST", "/step/post", body=b"%d" % n)
                assert answer.body == b"ok\n", answer
                time.sleep(0.005 if n % 7 else 0.05)
            done.set()

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        done_restarts = 0
        while not done.is_set() or done_restarts < restarts:
            if done_restarts < restarts:
                self.put("12"[done_restarts % 2])
                srv.restart()
                done_restarts += 1
            time.sleep(0.1)
        writer.join(20 * SLOW)
        for t in threads:
            t.join(30 * SLOW)
        print("%d pollers, %d lines, %d restarts, %d reconnects"
              % (pollers, lines, restarts, reconnects[0]), flush=True)
        for seen in results:
            self.assertEqual(seen, list(range(1, lines + 1)))
        self.assertEqual(reconnects[0], 0)

    def wait_count(self, count, more):
        """Until so many more events have been published."""
        n = count[0] + more
        self.assertTrue(eventually(lambda: count[0] >= n, 30))

    def test_every_event_comes_once_while_requests_move(self):
        """No store here: what is published is all there is, in both generations."""
        self.put("1")
        srv = self.server(self.path("app"))
        n, restarts = (4, 3) if SHORT else (20, 8)
        conns = [self.connect(srv, timeout=60 * SLOW) for _ in range(n)]
        for conn in conns:
            conn.send(GET % b"/step/tail?topic=t")
        heads = [conn.head() for conn in conns]
        stop, count, by, port = threading.Event(), [0], {}, srv.port

        def publisher():
            kept = self.connect(port, timeout=20 * SLOW)
            while not stop.is_set():
                count[0] += 1
                where = kept if count[0] % 2 else self.connect(port, timeout=20 * SLOW)
                answer = where.request("POST", "/publish?topic=t&id=%d" % count[0], body=b"x")
                assert answer.body == b"ok\n", answer
                by.setdefault(answer.get("x-pid"), []).append(count[0])

        bodies = [None] * n
        readers = [threading.Thread(target=lambda i=i: bodies.__setitem__(
            i, conns[i].body(heads[i])), daemon=True) for i in range(n)]
        thread = threading.Thread(target=publisher)
        for r in readers:
            r.start()
        thread.start()
        try:
            for i in range(restarts):
                self.wait_count(count, 5)
                self.put("12"[i % 2])
                srv.restart()
            self.wait_count(count, 5)
        finally:
            stop.set()
            thread.join()
        self.fetch(port, "/publish?topic=t", "POST", body=b"end")
        for r in readers:
            r.join(20 * SLOW)
        print("%d listeners, %d restarts, %d events" % (n, restarts, count[0]), flush=True)
        wanted = list(range(1, count[0] + 1))
        for body in bodies:
            self.assertIsNotNone(body, "no end came")
            rows = [line.split() for line in body.decode().splitlines()]
            self.assertEqual(rows[0], ["begun"])
            seen = [int(row[1]) for row in rows[1:-1]]
            self.assertEqual(sorted(seen), wanted)
            for published in by.values():
                mine = set(published)
                self.assertEqual([i for i in seen if i in mine], published)
            self.assertGreater(len({row[0] for row in rows[1:]}), restarts // 2)
        self.assertTrue(eventually(lambda: srv.pids() == [srv.pid], 10), "they did not move")

    def flood(self, srv, name, wanted, told):
        """Publishes in bursts, as fast as the listeners take them: never more on the way
        than fits their queues."""
        conn = self.connect(srv, timeout=60 * SLOW)
        for first in range(0, wanted, BURST):
            conn.send(b"".join(
                b"POST /publish?topic=t&id=%s-%d HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
                % (name, i) for i in range(first, first + BURST)))
            for _ in range(BURST):
                answer = conn.answer()
                if answer.body != b"ok\n":
                    raise AssertionError(answer)
            if not eventually(lambda: min(told) > first - 4 * BURST, 60):
                raise AssertionError("events do not come: %r" % told)

    def test_a_flood_of_events_comes_once_and_in_order(self):
        """Messages of a handover pass the events on the same channel."""
        srv = self.app()
        listeners = [self.begin(srv, "/step/tail?topic=t") for _ in range(2)]
        kept = [self.connect(srv, timeout=60 * SLOW) for _ in range(200)]
        for conn in kept:  # before its first request a connection has headerTimeout
            self.assertEqual(conn.request("GET", "/pid").status, 200)
        bursts, names = (15 if SHORT else 200), (b"a", b"b")
        seen, told, failed = [[] for _ in listeners], [0] * len(listeners), []

        def listen(i):
            listeners[i].head()
            while True:
                row = self.row(listeners[i])
                if row[1:2] == ["end"]:
                    return
                if row != ["begun"]:
                    seen[i].append(row[1])
                    told[i] = len(seen[i]) // len(names)

        def publish(name):
            try:
                self.flood(srv, name, bursts * BURST, told)
            except Exception as e:
                failed.append(e)

        readers = [threading.Thread(target=listen, args=(i,), daemon=True)
                   for i in range(len(listeners))]
        publishers = [threading.Thread(target=publish, args=(n,), daemon=True) for n in names]
        for t in readers + publishers:
            t.start()
        restarts = 0
        while any(t.is_alive() for t in publishers):
            begin = time.monotonic()
            self.restarted(srv)
            self.assertTrue(eventually(lambda: len(srv.pids()) == 1, 20), "the old one stays")
            print("restart %d: %.2f s" % (restarts, time.monotonic() - begin), flush=True)
            restarts += 1
        self.assertEqual(failed, [])
        self.fetch(srv, "/publish?topic=t&id=end", "POST", body=b"end")
        for t in readers:
            t.join(20 * SLOW)
        for i in range(len(listeners)):
            for name in names:
                own = [s for s in seen[i] if s.startswith(name.decode())]
                self.assertEqual(own, ["%s-%d" % (name.decode(), k)
                                       for k in range(bursts * BURST)])
        self.assertEqual([int(c.request("GET", "/pid").body) for c in kept], [srv.pid] * len(kept))

    def test_one_that_always_has_an_event_moves_with_those_that_wait(self):
        """Each part finds the next event there already: no wait is ever quiet."""
        srv = self.app()
        conn = self.begin(srv, "/step/tail?topic=t&ms=100")
        conn.head()
        self.assertEqual(self.row(conn), ["begun"])
        events = 100  # 10 s of work
        for n in range(1, events + 1):
            self.fetch(srv, "/publish?topic=t&id=%d" % n, "POST", body=b"x")
        new = self.restarted(srv)
        pid, seen = None, 0
        while pid != new:
            row = self.row(conn)
            seen += 1
            pid = int(row[0])
            self.assertEqual(int(row[1]), seen)
            self.assertLess(seen, events, "it stayed until there was no event")
        for n in range(events + 1, events + 4):
            self.fetch(srv, "/publish?topic=t&id=%d" % n, "POST", body=b"x")
        for n in range(seen + 1, seen + 4):
            self.assertEqual(self.row(conn)[:2], [str(new), str(n)])
        conn.close()
        self.assertTrue(eventually(lambda: srv.pids() == [new], 10))

    @staticmethod
    def row(conn):
        """A chunk is a line here."""
        data = conn._exactly(int(conn._line(), 16))
        conn._exactly(2)
        return data.decode().split()


class Stays(StepCase):
    def finished_by_the_old_one(self, srv, path, follows=False):
        """follows: the connection moves behind its answer."""
        old = srv.pid
        held = self.held(srv, path)
        self.restarted(srv)
        answer, conn = held.answer(), held.conn
        self.assertTrue(answer.body.endswith(b"%d\n" % old), answer)
        if follows:
            self.assertEqual(int(conn.request("GET", "/pid").body), srv.pid)
        elif answer.chunks:
            conn.close()  # its head was sent before anyone knew of a restart
        else:
            self.assertTrue(answer.closes)
        self.assertTrue(eventually(lambda: old not in srv.pids(), 20))
        return answer

    def test_a_step_that_the_new_program_lacks(self):
        for query in ("", "?stream=1"):
            self.put("1")
            srv = self.app(env={"MOLT_SERVER_GRACEFULTIMEOUT": "600s"})
            self.put("2")
            answer = self.finished_by_the_old_one(srv, "/step/old" + query)
            self.assertEqual(answer.status, 200)
            srv.wait_log("waits for step old is left to the former generation")

    def test_and_when_it_waits_longer_than_the_drain(self):
        self.put("1")
        srv = self.app(env={"MOLT_SERVER_GRACEFULTIMEOUT": "1s"})
        plain = self.begin(srv, "/step/old?ms=60000")
        begun = self.begin(srv, "/step/old?ms=60000&stream=1")
        self.put("2")
        self.restarted(srv)
        self.assertEqual(plain.answer().status, 503)
        self.assertTrue(plain.closed())
        with self.assertRaises((Broken, ConnectionResetError)):
            begun.answer()
        srv.wait_log("2 running requests were cut by the end of the drain")

    def test_one_that_is_too_large(self):
        answer = self.finished_by_the_old_one(self.app(), "/step/big?n=60000", True)
        self.assertGreater(len(answer.body), 60000)

    def test_one_that_is_just_small_enough_moves(self):
        srv = self.app()
        held = self.held(srv, "/step/big?n=45000")
        old = srv.pid
        self.restarted(srv)
        self.assertTrue(eventually(lambda: old not in srv.pids(), 20))
        self.assertEqual(held.answer().body[45000:], b"%d\n" % srv.pid)

    def test_a_server_that_hands_nothing_over(self):
        self.finished_by_the_old_one(self.app(env={"MOLT_SERVER_HANDOVER": "false"}),
                                     "/step/pids")

    def test_a_long_poll_that_cannot_move_ends_early(self):
        srv = self.app(env={"MOLT_SERVER_HANDOVER": "false", "APP_STORE": self.path("none"),
                            "MOLT_SERVER_GRACEFULTIMEOUT": "600s"})
        conn = self.begin(srv, "/step/poll?ms=600000")
        self.restarted(srv)
        answer = conn.answer()  # its own time is over in ten minutes
        self.assertEqual((answer.status, answer.get("x-early")), (204, "yes"))
        self.assertTrue(answer.closes)


class Ends(StepCase):
    def test_a_client_that_leaves_ends_it_and_no_step_runs(self):
        srv = self.app(env={"MOLT_SERVER_ACCESSLOGENABLED": "true"})
        held = self.held(srv, "/step/pids")
        held.conn.close()
        srv.wait_log(r'gen 1 499 "GET http a /step/pids')
        self.assertEqual(self.requests(srv), 1)
        held.release()
        time.sleep(0.2)  # for a wrong one, 40 times the delay of the step
        self.assertNotIn("step of", srv.log())

    def test_also_after_it_has_moved(self):
        srv = self.app(env={"MOLT_SERVER_ACCESSLOGENABLED": "true"})
        conn = self.begin(srv, "/step/pids?ms=600000")
        self.restarted(srv)
        self.assertTrue(eventually(lambda: len(srv.pids()) == 1, 20))
        conn.close()
        srv.wait_log(r'gen 2 499 "GET http a /step/pids')

    def test_a_shutdown_lets_its_delay_pass(self):
        srv = self.app()
        conn = self.begin(srv, "/step/pids?ms=1000")
        pid = srv.pid
        os.kill(pid, signal.SIGTERM)
        answer = conn.answer()
        self.assertEqual(self.pids_of(answer), [pid, pid])
        self.assertTrue(answer.closes)
        self.assertEqual(srv.exit_code(), 0)

    def test_but_not_longer_than_its_own_time(self):
        srv = self.app(env={"MOLT_SERVER_GRACEFULSHUTDOWNTIMEOUT": "1s"})
        plain = self.begin(srv, "/step/pids?ms=60000")
        begun = self.begin(srv, "/step/pids?ms=60000&mode=stream")
        os.kill(srv.pid, signal.SIGTERM)
        self.assertEqual(plain.answer().status, 503)
        with self.assertRaises((Broken, ConnectionResetError)):
            begun.answer()

    def test_a_shutdown_ends_a_long_poll_at_once(self):
        srv = self.app(env={"APP_STORE": self.path("none"),
                            "MOLT_SERVER_GRACEFULSHUTDOWNTIMEOUT": "600s"})
        conn = self.begin(srv, "/step/poll?ms=600000")
        os.kill(srv.pid, signal.SIGTERM)
        answer = conn.answer()  # its own time is over in ten minutes
        self.assertEqual((answer.status, answer.get("x-early")), (204, "yes"))
        self.assertEqual(srv.exit_code(), 0)


class Tls(StepCase):
    def through_a_restart(self, query, **env):
        crt, key = certs.make(self.dir)
        srv = self.app(env=dict(env, MOLT_SERVER_HTTPSCERTPATH=crt, MOLT_SERVER_HTTPSKEYPATH=key))
        old = srv.pid
        held = self.held(srv, "/step/pids" + query, tls=True)
        answer = self.fetch(srv, "/debug/admin/restart", "POST", tls=True)
        self.assertEqual(answer.status, 200, answer)
        if "MOLT_SERVER_TLSHANDOVER" not in env:
            self.assertTrue(eventually(lambda: old not in srv.pids(), 20))
        return old, srv.pid, self.pids_of(held.answer())

    def test_the_second_half_of_a_buffered_answer_is_of_the_new_program(self):
        old, new, pids = self.through_a_restart("")
        self.assertEqual(pids, [old, new])

    def test_the_second_half_of_a_streamed_answer_is_of_the_new_program(self):
        old, new, pids = self.through_a_restart("?mode=stream")
        self.assertEqual(pids, [old, new])

    def test_it_stays_when_https_does_not_move(self):
        old, _, pids = self.through_a_restart("", MOLT_SERVER_TLSHANDOVER="false")
        self.assertEqual(pids, [old, old])


if __name__ == "__main__":
    main()
