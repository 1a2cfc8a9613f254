"""One restart, looked at closely: who answers what, before, during and after.

Drained: connections that do not move (handover off) are answered by the
generation that has them and end with that answer.  Moved: HTTP/1.1 connections,
plain and TLS, go on in the new process; their clients see nothing."""
import json
import os
import select
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
import procs  # noqa: E402
from case import SLOW, eventually, main, program  # noqa: E402
from rawhttp import Broken  # noqa: E402
from release import RestartCase, install  # noqa: E402

GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"


class Walk(RestartCase):
    handover = "true"

    def app(self, *argv, env=None, **kw):
        return super().app(*argv, env={"MOLT_SERVER_HANDOVER": self.handover, **(env or {})}, **kw)

    def begin(self, srv, path, **kw):
        """Its answer has begun to come."""
        conn = self.connect(srv, timeout=60 * SLOW, **kw)
        conn.send(GET % path)
        select.select([conn.sock], [], [], 60 * SLOW)
        return conn


class Drained(Walk):
    handover = "false"

    def test_a_running_request_ends_where_it_began_and_then_the_process_does(self):
        srv = self.app()
        old = srv.pid
        running = self.held(srv)
        new = self.restarted(srv)
        self.assertNotEqual(new, old)
        for _ in range(50):
            self.assertEqual(self.serving_pid(srv), new)
        self.assertTrue(procs.alive(old))
        answer = running.answer()
        self.assertEqual(answer.body, b"%d\n%d\n" % (old, old))
        self.assertTrue(answer.closes)
        running.conn.close()
        self.assertTrue(procs.wait_gone(old, 20 * SLOW))
        self.assertEqual(srv.exit_code(), 0)

    def test_the_default_deadline_lets_ten_seconds_finish(self):
        srv = self.server(program("examples/demo"))
        old = srv.pid
        running = self.connect(srv, timeout=60 * SLOW)
        running.send(GET % b"/sleep")
        self.wait_running(srv, 1)
        new = srv.restart()
        self.assertEqual(running.answer().body, b"%d\n%d\n" % (old, old))
        self.assertEqual(self.serving_pid(srv), new)

    def test_the_drain_deadline_cuts_and_counts(self):
        srv = self.app(env={"MOLT_SERVER_GRACEFULTIMEOUT": "1s"})
        old = srv.pid
        running = self.held(srv)  # for ever
        start = time.monotonic()
        self.restarted(srv)
        with self.assertRaises((Broken, ConnectionResetError)):
            running.conn.answer()
        self.assertGreater(time.monotonic() - start, 0.9)
        self.assertTrue(procs.wait_gone(old, 20 * SLOW))

        def counted():
            last = self.status(srv)["receipts"][0]
            return last if '"cut": 1' in str(last).replace("'", '"') else None

        self.assertTrue(eventually(counted, 3), self.status(srv)["receipts"][0])
        srv.wait_log("1 running request was cut")

    def test_a_stream_is_finished_and_cut_visibly_at_the_deadline(self):
        srv = self.app(env={"MOLT_SERVER_GRACEFULTIMEOUT": "600s"})
        whole = self.held(srv, "/stream?n=5&ms=10")
        self.restarted(srv)
        self.assertEqual(len(whole.answer().body.splitlines()), 5)
        srv.stop()
        srv = self.app(env={"MOLT_SERVER_GRACEFULTIMEOUT": "500ms"})
        cut = self.begin(srv, b"/stream?n=100000&ms=100")
        self.restarted(srv)
        with self.assertRaises((Broken, ConnectionResetError)):
            cut.answer()

    def test_an_idle_connection_is_closed_only_with_its_next_answer(self):
        srv = self.app()
        old = srv.pid
        conn = self.connect(srv)
        self.assertFalse(conn.request("GET", "/pid").closes)
        self.restarted(srv)
        self.assertIsNone(conn.rest(1.5), "cut while idle")
        answer = conn.request("GET", "/pid")
        self.assertEqual((answer.status, answer.body), (200, b"%d\n" % old))
        self.assertTrue(answer.closes)
        self.assertTrue(conn.closed())
        # The client keeps its end open: the lingering close ends by itself.
        self.assertTrue(procs.wait_gone(old, 30 * SLOW))

    def test_a_fresh_connection_without_a_request_is_still_answered(self):
        srv = self.app()
        conn = self.connect(srv)
        self.accepted(srv)
        self.restarted(srv)
        self.assertEqual(conn.request("GET", "/pid").status, 200)

    def test_a_half_sent_head_is_still_answered(self):
        srv = self.app()
        conn = self.connect(srv)
        conn.send(b"GET /pid HTTP/1.1\r\nHo")
        self.accepted(srv)
        old = srv.pid
        self.restarted(srv)
        conn.send(b"st: a\r\n\r\n")
        answer = conn.answer()
        self.assertEqual((answer.status, answer.body), (200, b"%d\n" % old))
        self.assertTrue(answer.closes)

    def test_a_half_sent_body_is_still_answered(self):
        srv = self.app()
        for head, parts in (
                (b"Content-Length: 6\r\n", (b"abc", b"def")),
                (b"Transfer-Encoding: chunked\r\n", (b"3\r\nabc\r\n", b"3\r\ndef\r\n0\r\n\r\n"))):
            conn = self.connect(srv)
            conn.send(b"POST /echo HTTP/1.1\r\nHost: a\r\n%s\r\n" % head + parts[0])
            self.accepted(srv)
            self.restarted(srv)
            conn.send(parts[1])
            self.assertEqual(conn.answer().body, b"abcdef")

    def test_expect_100_is_still_kept(self):
        srv = self.app()
        conn = self.connect(srv)
        conn.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                  b"Content-Length: 3\r\n\r\n")
        self.assertEqual(conn.head().status, 100)
        self.restarted(srv)
        conn.send(b"abc")
        self.assertEqual(conn.answer().body, b"abc")

    def test_pipelined_requests_are_all_answered_and_the_last_says_close(self):
        srv = self.app()
        held = self.held(srv, "/id?id=0",
                         behind=b"".join(GET % (b"/id?id=%d" % i) for i in range(1, 6)))
        self.restarted(srv)
        answers = [held.answer()] + [held.conn.answer() for _ in range(5)]
        self.assertEqual([a.body.split()[0] for a in answers], [b"%d" % i for i in range(6)])
        self.assertEqual([a.closes for a in answers], [False] * 5 + [True])

    def test_a_slow_reader_gets_the_whole_answer(self):
        srv = self.app()
        conn = self.begin(srv, b"/big?n=3000000", rcvbuf=4096)
        self.restarted(srv)
        time.sleep(0.5)  # for a wrong one, to cut it
        self.assertEqual(len(conn.answer().body), 3000000)

    def test_connections_in_the_queue_are_not_lost(self):
        srv = self.app(env={"MOLT_SERVER_LOOPS": "1"})
        hog = self.held(srv, "/hog")  # nobody accepts now
        waiting = [self.connect(srv, timeout=60 * SLOW) for _ in range(50)]
        for i, conn in enumerate(waiting):
            conn.send(GET % (b"/id?id=%d" % i))
        os.kill(srv.pid, signal.SIGUSR2)
        srv.wait_log("server reloading")
        hog.release()
        for i, conn in enumerate(waiting):
            self.assertEqual(conn.answer().body.split()[0], b"%d" % i)
        self.assertEqual(hog.conn.answer().status, 200)

    def test_the_events_tell_the_story(self):
        srv = self.app()
        old = srv.pid
        new = self.restarted(srv)
        srv.wait_log(r" %d: event exit" % old)
        log = srv.log()
        lines = ["%d: event ready" % old, "%d: server reloading" % old, "%d: event restart" % old,
                 "%d: event drain" % old, "%d: event exit" % old]
        places = [log.index(line) for line in lines]
        self.assertEqual(places, sorted(places), log)
        self.assertIn("%d: event ready" % new, log)

    def test_the_info_of_both_generations(self):
        srv = self.app()
        old = srv.pid
        held = self.connect(srv)
        held.request("GET", "/pid")
        new = self.restarted(srv)
        info = json.loads(self.text(srv, "/info"))
        self.assertEqual((info["pid"], info["parent"], info["generation"], info["draining"]),
                         (new, old, 2, False))
        state = self.status(srv)
        self.assertEqual((state["generation"], state["predecessor_pid"]), (2, old))
        self.assertEqual(state["draining_generation"]["pid"], old)
        info = json.loads(held.request("GET", "/info").body)
        self.assertEqual((info["generation"], info["draining"]), (1, True))

    def test_the_receipt_has_every_phase_with_its_time(self):
        srv = self.app()
        old = srv.pid
        new = self.restarted(srv)
        receipt = eventually(lambda: self.status(srv)["receipts"], 3)[0]
        self.assertEqual((receipt["outcome"], receipt["pid"], receipt["successor_pid"]),
                         ("switched", old, new))
        phases = [p["phase"] for p in receipt["phases"]]
        for phase in ("REQUEST", "PREFLIGHT", "SPAWN", "OFFER", "INIT", "READY", "SWITCH"):
            self.assertIn(phase, phases)
        for phase in receipt["phases"]:
            self.assertGreaterEqual(phase["ms"], 0)


class DrainedTls(Walk):
    handover = "true"

    def test_an_idle_https_connection_is_closed_only_with_its_next_answer(self):
        crt, key = certs.make(self.dir)
        srv = self.app(env={"MOLT_SERVER_HTTPSCERTPATH": crt, "MOLT_SERVER_HTTPSKEYPATH": key,
                            "MOLT_SERVER_TLSHANDOVER": "false"})
        old = srv.pid
        conn = self.connect(srv, tls=True)
        conn.request("GET", "/pid")
        new = srv.restart()
        self.assertIsNone(conn.rest(1.5), "cut while idle")
        answer = conn.request("GET", "/pid")
        self.assertEqual(answer.body, b"%d\n" % old)
        self.assertTrue(answer.closes)
        self.assertTrue(conn.closed())
        conn.close()
        self.assertTrue(procs.wait_gone(old, 20 * SLOW))
        self.assertEqual(self.fetch(srv, "/pid", tls=True).body, b"%d\n" % new)


class Moved(Walk):
    def test_an_idle_connection_lives_through_many_restarts(self):
        srv = self.app()
        conn = self.connect(srv)
        conn.request("GET", "/pid")
        for _ in range(6):
            old = srv.pid
            new = self.restarted(srv)
            self.assertTrue(procs.wait_gone(old, 20 * SLOW), "the old process stays")
            answer = conn.request("GET", "/pid")
            self.assertEqual(answer.body, b"%d\n" % new)
            self.assertFalse(answer.closes)

    def test_a_fresh_connection_without_a_request(self):
        srv = self.app()
        conn = self.connect(srv)
        self.accepted(srv)
        new = self.restarted(srv)
        self.assertEqual(conn.request("GET", "/pid").body, b"%d\n" % new)

    def test_a_half_sent_head(self):
        srv = self.app()
        whole = b"GET /id?id=half HTTP/1.1\r\nHost: a\r\nX-Long: " + b"y" * 5000 + b"\r\n\r\n"
        for cut in (1, 20, 3000, len(whole) - 1):
            conn = self.connect(srv)
            conn.send(whole[:cut])
            self.accepted(srv)
            self.restarted(srv)
            conn.send(whole[cut:])
            answer = conn.answer()
            self.assertEqual(answer.body.split()[0], b"half")
            self.assertFalse(answer.closes)

    def test_a_running_request_ends_in_the_old_one_and_the_next_runs_in_the_new(self):
        srv = self.app()
        old = srv.pid
        held = self.held(srv)
        new = self.restarted(srv)
        answer = held.answer()
        self.assertEqual(answer.body, b"%d\n%d\n" % (old, old))
        self.assertFalse(answer.closes)
        self.assertTrue(procs.wait_gone(old, 20 * SLOW))
        self.assertEqual(held.conn.request("GET", "/pid").body, b"%d\n" % new)

    def test_a_half_sent_body_and_a_stream_end_in_the_old_one(self):
        srv = self.app()
        old = srv.pid
        upload = self.connect(srv)
        upload.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                    b"Content-Length: 6\r\n\r\n")
        self.assertEqual(upload.head().status, 100)  # so its handler has it
        upload.send(b"abc")
        stream = self.held(srv, "/stream?n=6&ms=1")
        new = self.restarted(srv)
        upload.send(b"def")
        self.assertEqual(upload.answer().body, b"abcdef")
        lines = stream.answer().body.split(b"\n")[:-1]
        self.assertEqual(lines, [b"%d %d" % (old, i) for i in range(1, 7)])
        self.assertTrue(procs.wait_gone(old, 20 * SLOW))
        for conn in (upload, stream.conn):
            self.assertEqual(conn.request("GET", "/pid").body, b"%d\n" % new)

    def test_pipelined_requests_are_answered_in_order_each_once(self):
        srv = self.app()
        behind = b"".join(GET % (b"/id?id=%d" % i) for i in range(1, 40)) + b"GET /id?id=40 HT"
        for running in (True, False):
            if running:
                held = self.held(srv, "/id?id=0", behind=behind)
                conn = held.conn
            else:
                conn = self.connect(srv)
                conn.send(GET % b"/id?id=0" + behind)
                self.accepted(srv)
            self.restarted(srv)
            conn.send(b"TP/1.1\r\nHost: a\r\n\r\n")
            if running:
                held.release()
            got = [conn.answer().body.split()[0] for _ in range(41)]
            self.assertEqual(got, [b"%d" % i for i in range(41)])

    def test_many_connections_move_at_once(self):
        srv = self.app(env={"MOLT_SERVER_HEADERTIMEOUT": "600s"})  # "G" is a begun head
        conns = []
        for i in range(400):  # each asks at once: the limit for the first byte counts
            conns.append(self.connect(srv))
            conns[i].send(GET % (b"/id?id=%d" % i) + b"G" * (i % 2))
        for i, conn in enumerate(conns):
            self.assertEqual(conn.answer().body.split()[0], b"%d" % i)
        new = self.restarted(srv)
        for i, conn in enumerate(conns):
            conn.send((GET % b"/pid")[i % 2:])
            self.assertEqual(conn.answer().body, b"%d\n" % new)

    def test_limits_of_time_move_too(self):
        srv = self.app(env={"MOLT_SERVER_IDLETIMEOUT": "1s", "MOLT_SERVER_HEADERTIMEOUT": "1s"})
        idle, begun = self.connect(srv), self.connect(srv)
        idle.request("GET", "/")
        begun.send(b"GET / HT")
        start = time.monotonic()
        restarts = 0
        # One restart after another: limits that began anew would never be over.
        while not (select.select([idle.sock], [], [], 0)[0]
                   and select.select([begun.sock], [], [], 0)[0]):
            self.restarted(srv)
            restarts += 1
            self.assertLess(restarts, 500, "a limit began anew")
        self.assertTrue(idle.closed(4 * SLOW))
        self.assertIn(b" 408 ", begun.rest(4 * SLOW))
        self.assertGreater(time.monotonic() - start, 0.9)

    def test_the_receipt_counts_what_moved(self):
        srv = self.app()
        conns = [self.connect(srv) for _ in range(7)]
        for conn in conns:
            conn.request("GET", "/")
        answer = self.restart_api(srv)

        def counted():
            return [r for r in self.status(srv)["receipts"] if r.get("moved", 0) >= 7]

        self.assertTrue(eventually(counted, 3), (answer, self.status(srv)["receipts"]))


class MovedTls(Moved):
    """All of it over TLS."""
    shed = "false"

    def app(self, *argv, env=None, **kw):
        crt, key = certs.make(self.dir)
        return super().app(*argv, env={
            "MOLT_SERVER_HTTPSCERTPATH": crt, "MOLT_SERVER_HTTPSKEYPATH": key,
            "MOLT_SERVER_TLSSHED": self.shed, **(env or {})}, **kw)

    def connect(self, where, **kw):
        return super().connect(where, **{"tls": True, **kw})


class MovedTlsShed(MovedTls):
    """And with OpenSSL's state freed after the handshake."""
    shed = "true"


class NewPrograms(RestartCase):
    def test_an_overwritten_file_serves_after_the_restart(self):
        srv = self.app()
        self.assertEqual(self.build(srv), "1")
        self.put("2")
        self.assertEqual(self.build(srv), "1")
        self.restarted(srv)
        self.assertEqual(self.build(srv), "2")
        self.put("1")
        srv.restart(signal.SIGUSR1)
        self.assertEqual(self.build(srv), "1")

    def test_another_program_by_the_api(self):
        srv = self.app()
        self.put("2", "app-v2")
        self.restarted(srv, self.path("app-v2"))
        self.assertEqual(self.build(srv), "2")
        # The next one starts what serves now.
        self.restarted(srv)
        self.assertEqual(self.build(srv), "2")
        self.restarted(srv, self.path("app"))
        self.assertEqual(self.build(srv), "1")

    def test_another_program_by_the_function(self):
        srv = self.app()
        self.put("2", "app-v2")
        answer = self.text(srv, "/restart?exe=" + self.path("app-v2"))
        self.assertEqual(answer, "0 serves\n")
        self.assertEqual(self.build(srv), "2")

    def test_a_release_link_that_was_switched(self):
        for release in ("r1", "r2"):
            os.mkdir(self.path(release))
            install(program("test/programs/app" + ("2" if release == "r2" else "")),
                    self.path(release + "/app"))
        os.symlink("r1", self.path("current"))
        srv = self.server(self.path("current/app"))
        self.assertEqual(self.build(srv), "1")
        os.symlink("r2", self.path("next"))
        os.rename(self.path("next"), self.path("current"))
        self.restarted(srv)
        self.assertEqual(self.build(srv), "2")
        os.symlink("r1", self.path("next"))
        os.rename(self.path("next"), self.path("current"))
        self.restarted(srv)
        self.assertEqual(self.build(srv), "1")

    def test_a_relative_name_in_a_working_directory_that_is_a_link(self):
        for release in ("r1", "r2"):
            os.mkdir(self.path(release))
            install(program("test/programs/app" + ("2" if release == "r2" else "")),
                    self.path(release + "/app"))
        os.symlink("r1", self.path("current"))
        srv = self.server("./app", cwd=self.path("current"), env={"PWD": self.path("current")})
        self.assertEqual(self.build(srv), "1")
        os.symlink("r2", self.path("next"))
        os.rename(self.path("next"), self.path("current"))
        self.restarted(srv)
        self.assertEqual(self.build(srv), "2")

    def test_a_relative_name(self):
        self.put("1")
        srv = self.server("./app", cwd=self.dir)
        self.put("2")
        self.restarted(srv)
        self.assertEqual(self.build(srv), "2")

    def test_a_program_found_by_path(self):
        self.put("1")
        srv = self.spawned("app", env={"PATH": self.dir + ":" + os.environ["PATH"]}, cwd="/")
        srv.wait_listening()
        self.put("2")
        self.restarted(srv)
        self.assertEqual(self.build(srv), "2")

    def test_a_deleted_program_refuses_the_restart_until_it_is_back(self):
        srv = self.app()
        os.unlink(self.path("app"))
        answer = self.restart_api(srv)
        self.assertEqual(answer.status, 404, answer)
        self.assertEqual(self.build(srv), "1")
        self.put("2")
        self.restarted(srv)
        self.assertEqual(self.build(srv), "2")

    def test_a_script_that_execs_the_program(self):
        self.put("1")
        self.write("wrapper", "#!/bin/sh\nexec '%s' \"$@\"\n" % self.path("app"), 0o755)
        srv = self.app()
        self.restarted(srv, self.path("wrapper"))
        self.assertEqual(self.build(srv), "1")


if __name__ == "__main__":
    main()
