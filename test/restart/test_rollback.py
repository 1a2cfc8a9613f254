"""Back to the generation before: by hand, under load, with every connection, and
by whoever may ask; what cannot be rolled back is refused with the reason."""
import errno
import json
import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
import load  # noqa: E402
import procs  # noqa: E402
import test_ws  # noqa: E402
from case import SHORT, SLOW, eventually, main  # noqa: E402
from release import free_ports  # noqa: E402
from supervised import SupervisedCase  # noqa: E402
from test_ws import Crowd, Flow, WsCase  # noqa: E402

BAKE = {"MOLT_SERVER_BAKETIME": "30s"}
ROUNDS = 3 if SHORT else 8


class RollbackCase(WsCase):
    def rolled_back(self, srv, expect=None):
        """A good rollback by the API; returns the pid that serves."""
        answer = self.admin(srv, "rollback")
        self.assertEqual(answer.status, 200, answer)
        pid = self.serving_pid(srv)
        if expect:
            self.assertEqual(pid, expect)
        return pid

    def receipt(self, srv, outcome="rolled back"):
        """The receipt of the newest rollback, when it is final."""
        def final():
            one = self.status(srv)["receipts"][0]
            return one if "given_back" in one.get("rollback", {}) else None
        one = eventually(final, 5)
        self.assertTrue(one, self.status(srv)["receipts"][0])
        self.assertEqual(one["outcome"], outcome)
        return one


class ByHand(RollbackCase):
    def test_the_predecessor_serves_and_has_its_connections_again(self):
        srv = self.app(env=BAKE)
        first = srv.pid
        conns = [self.connect(srv) for _ in range(10)]
        for c in conns:
            c.request("GET", "/pid")
        half = self.connect(srv)
        half.send(b"GET /pid HTTP/1.1\r\nHo")
        second = self.restarted(srv)
        for c in conns:
            self.assertEqual(int(c.request("GET", "/pid").body), second)
        self.rolled_back(srv, first)
        for c in conns:
            self.assertEqual(int(c.request("GET", "/pid").body), first)
        half.send(b"st: a\r\n\r\n")
        self.assertEqual(int(half.answer().body), first)
        self.assertTrue(procs.wait_gone(second, 5 * SLOW), srv.log())
        receipt = self.receipt(srv)
        self.assertGreaterEqual(receipt["rollback"]["given_back"], 11)
        self.assertEqual(receipt["rollback"]["by"], "hand")
        self.assertIn("the admin API", receipt["reason"])
        self.assertEqual(receipt["exit_status"], 0)
        self.assertTrue(receipt["rollback"]["withdrawn"])
        print("accepting again after %.1f ms" % receipt["rollback"]["accepting_ms"], flush=True)
        self.promised(receipt["rollback"]["accepting_ms"], 50)

    def test_a_running_request_is_finished_by_the_one_that_began_it(self):
        srv = self.app(env=BAKE)
        first = srv.pid
        second = self.restarted(srv)
        running = self.held(srv)
        self.rolled_back(srv, first)
        self.assertEqual(running.answer().body, b"%d\n%d\n" % (second, second))
        self.assertTrue(procs.wait_gone(second, 20 * SLOW))
        self.assertEqual(int(running.conn.request("GET", "/pid").body), first)

    def test_no_request_fails_and_no_connection_is_reopened(self):
        self.put("1")
        srv = self.server(self.path("app"), env=BAKE)
        first = srv.pid
        seen = {str(first)}
        with load.Running(srv.port, "reused", 8 if SHORT else 64, False, "get,slow,post,split",
                          timeout=10 * SLOW) as run:
            for i in range(ROUNDS):
                self.put("21"[i % 2])
                seen.add(str(self.restarted(srv)))
                time.sleep(0.2)
                self.rolled_back(srv, first)
                time.sleep(0.2)
            report = run.finish()
        print("%d rollbacks, %d ok, %d failed, %d reconnects, longest %.0f ms" % (
            ROUNDS, report["ok"], report["failed"], report["reconnects"], report["longest_ms"]),
            flush=True)
        self.assertEqual(report["failed"], 0, json.dumps(report, indent=1) + srv.log()[-3000:])
        self.assertEqual(report["reconnects"], 0, report)
        self.assertEqual(set(report["pids"]), seen)
        self.assertTrue(eventually(lambda: srv.pids() == [first], 5), srv.pids())

    def test_https_connections_go_back_too(self):
        crt, key = certs.make(self.dir)
        srv = self.app(env=dict(BAKE, MOLT_SERVER_HTTPSCERTPATH=crt,
                                MOLT_SERVER_HTTPSKEYPATH=key))
        first = srv.pid
        with load.Running(srv.port, "reused", 8, True, "get", timeout=10 * SLOW) as run:
            for _ in range(3):
                second = srv.restart()
                time.sleep(0.3)
                back = srv.mark()
                answer = self.fetch(srv, "/rollback", tls=True)
                self.assertEqual(answer.body, b"0\n")
                srv.wait_log("generation 1 serves again", since=back)
                self.assertTrue(procs.wait_gone(second, 5 * SLOW))
                time.sleep(0.2)
            report = run.finish()
        self.assertEqual((report["failed"], report["reconnects"]), (0, 0), report)
        self.assertEqual(srv.pids(), [first])

    def test_new_connections_are_never_refused(self):
        srv = self.app(env=BAKE)
        first = srv.pid
        with load.Running(srv.port, "new", 8, False, "get", timeout=10 * SLOW) as run:
            for _ in range(ROUNDS):
                self.restarted(srv)
                self.rolled_back(srv, first)
            report = run.finish()
        self.assertEqual(report["failed"], 0, report)

    def test_websockets_go_back(self):
        self.put("1")
        srv = self.server(self.path("app"), env=dict(BAKE, MOLT_SERVER_MAXCONNECTIONS="5000"))
        first = srv.pid
        flows = [Flow(("127.0.0.1", srv.port), i % 4 == 1, i % 2 == 0)
                 for i in range(test_ws.SOCKETS // 2)]
        for f in flows:
            self.addCleanup(f.ws.close_socket)
        crowd = Crowd(flows)
        crowd.start()
        for _ in range(ROUNDS):
            self.restarted(srv)
            time.sleep(0.15)
            self.rolled_back(srv, first)
            time.sleep(0.15)
        crowd.all_active = True
        time.sleep(0.3)
        self.assertIsNone(crowd.stop())
        self.assertEqual([f.wrong for f in flows if f.wrong], [], srv.log()[-2000:])
        self.assertTrue(all(f.got == f.sent > 0 for f in flows))
        self.assertTrue(eventually(lambda: srv.pids() == [first], 5), srv.pids())

    def test_every_subscriber_gets_every_event_once(self):
        srv = self.app(env=BAKE)
        first = srv.pid
        streams = [self.stream(srv, "/events?topic=t") for _ in range(4)]
        got = [[] for _ in streams]
        last, by = {}, {}
        ended = threading.Event()

        def read(i):
            while "n" not in last or got[i][-1:] != [last["n"]]:
                event = streams[i].next()
                if event is None:
                    return
                if event.get("data", "").isdigit():
                    got[i].append(int(event["data"]))

        def publish():
            n = 0
            while not ended.is_set():
                n += 1
                by.setdefault(self.publish(srv, "t", n), []).append(n)
            last["n"] = n + 1
            self.publish(srv, "t", n + 1)

        threads = [threading.Thread(target=read, args=(i,)) for i in range(len(streams))]
        writer = threading.Thread(target=publish)
        for t in threads + [writer]:
            t.start()
        for _ in range(ROUNDS):
            self.restarted(srv)
            time.sleep(0.1)
            self.rolled_back(srv, first)
            time.sleep(0.1)
        ended.set()
        for t in [writer] + threads:
            t.join(20 * SLOW)
        self.assertGreater(len(by), 1, "one process has published them all")
        for numbers in got:
            self.assertEqual(sorted(numbers), list(range(1, last["n"] + 1)))
            for pid, published in by.items():  # two processes' come in some order
                mine = set(published)
                self.assertEqual([n for n in numbers if n in mine], published, pid)

    def test_the_next_restart_and_the_next_rollback_work(self):
        srv = self.app(env=BAKE)
        first = srv.pid
        for i in range(3):
            second = self.restarted(srv)
            self.assertEqual(self.status(srv)["generation"], i + 2)
            self.rolled_back(srv, first)
            self.assertEqual(self.status(srv)["generation"], 1)
            self.assertTrue(procs.wait_gone(second, 5 * SLOW))
        third = self.restarted(srv)
        self.assertEqual(self.serving_pid(srv), third)

    def test_a_restart_while_the_other_still_gives_back(self):
        srv = self.app(env=BAKE)
        first = srv.pid
        second = self.restarted(srv)
        held = self.held(srv)
        running = held.conn
        self.rolled_back(srv, first)
        third = self.restarted(srv)
        self.assertEqual(held.answer().body, b"%d\n%d\n" % (second, second))
        # Through the first generation it goes to the one that serves.
        self.assertTrue(eventually(
            lambda: int(running.request("GET", "/pid").body) == third, 3))
        self.rolled_back(srv, first)
        self.assertTrue(eventually(  # it is given back in its turn
            lambda: int(running.request("GET", "/pid").body) == first, 3))

    def test_listeners_that_only_the_new_one_had_are_closed_and_dropped_ones_are_back(self):
        kept, dropped, added = free_ports(3)

        def configure(*ports):
            return self.write("molt.yaml", "server:\n  address: '%s'\n  graceful: true\n"
                              "  bakeTime: 30s\n  adminPattern: /debug/admin\n"
                              % ",".join("127.0.0.1:%d" % p for p in ports))
        path = configure(kept, dropped)
        srv = self.app(path, env={"MOLT_SERVER_ADDRESS": None, "MOLT_SERVER_BAKETIME": None},
                       listeners=2)
        first = srv.pid
        configure(kept, added)
        second = srv.restart(listeners=2)
        srv.wait_log("generation 1 drains")
        self.assertEqual(self.serving_pid(added), second)
        self.assertRaises(ConnectionRefusedError, self.connect, dropped)
        self.assertEqual(self.admin(kept, "rollback").status, 200)
        self.assertEqual(self.serving_pid(kept), first)
        self.assertTrue(eventually(lambda: self.open_at(dropped), 3))
        self.assertEqual(self.serving_pid(dropped), first)
        self.assertFalse(self.open_at(added))

    def test_a_dropped_listener_that_others_have_meanwhile_is_told_and_tried_again(self):
        kept, dropped = free_ports(2)

        def configure(*ports):
            return self.write("molt.yaml", "server:\n  address: '%s'\n  graceful: true\n"
                              "  bakeTime: 60s\n  adminPattern: /debug/admin\n"
                              % ",".join("127.0.0.1:%d" % p for p in ports))
        path = configure(kept, dropped)
        srv = self.app(path, env={"MOLT_SERVER_ADDRESS": None, "MOLT_SERVER_BAKETIME": None},
                       listeners=2)
        first = srv.pid
        configure(kept)
        srv.restart(listeners=1)
        srv.wait_log("generation 1 drains")
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", dropped))
            other.listen(1)
            answer = self.admin(kept, "rollback")
            self.assertEqual((answer.status, answer.json["error"]), (503, "EADDRINUSE"), answer)
            srv.wait_log("generation 1 has the service, but 1 of its listeners cannot be opened")
            self.assertNotIn("generation 1 serves again\n", srv.log())
            self.assertEqual(self.serving_pid(kept), first)
            self.assertEqual(self.status(kept)["receipts"][0]["rollback"]["not_listening"], 1)
        srv.wait_log("generation 1 listens again on all that it had")
        self.assertEqual(self.serving_pid(dropped), first)

    def open_at(self, port):
        try:
            self.connect(port).close()
            return True
        except ConnectionRefusedError:
            return False

    def test_without_a_predecessor_there_is_nothing_to_go_back_to(self):
        srv = self.app(env=BAKE)
        answer = self.admin(srv, "rollback")
        self.assertEqual(answer.status, 404, answer)
        self.assertEqual(answer.json["error"], "ENOENT")
        self.assertIsNone(self.status(srv)["rollback"])

    def test_during_a_restart_it_is_refused(self):
        srv = self.app(env=BAKE)
        first = srv.pid
        second = self.restarted(srv)
        slow = self.write("slow", "#!/bin/sh\nsleep 1\nexec %s\n" % self.path("app"), 0o755)
        asking = self.connect(srv)
        asking.send(b"POST /debug/admin/restart?newExeFilePath=%s HTTP/1.1\r\nHost: localhost\r\n"
                    b"Content-Length: 0\r\n\r\n" % slow.encode())
        self.assertTrue(eventually(lambda: self.status(srv)["state"] == "restarting", 3))
        answer = self.admin(srv, "rollback")
        self.assertEqual((answer.status, answer.json["error"]), (409, "EBUSY"))
        self.assertEqual(asking.answer().status, 200)
        self.assertTrue(procs.wait_gone(first, 5 * SLOW))
        self.assertTrue(procs.alive(second))

    def test_the_old_process_may_be_asked_too(self):
        # Its answer to a running request tells where the request is.
        srv = self.app(env=BAKE)
        first = srv.pid
        late = self.held(srv, "/rollback")
        second = self.restarted(srv)
        self.assertEqual(late.answer().body, b"0\n")
        self.assertEqual(self.serving_pid(srv), first)
        self.assertTrue(procs.wait_gone(second, 5 * SLOW))

    def test_the_status_says_where_to_and_until_when(self):
        srv = self.app(env=BAKE)
        first = srv.pid
        self.put("2")
        self.restarted(srv)
        back = self.status(srv)["rollback"]
        self.assertEqual((back["how"], back["generation"], back["pid"], back["exe"]),
                         ("predecessor", 1, first, self.path("app")))
        self.assertRegex(back["until"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertIn("Rollback to generation 1", self.text(srv, "/debug/admin"))

    def test_a_predecessor_that_was_stopped_does_not_come_back_later(self):
        srv = self.app(env=BAKE)
        first = srv.pid
        second = self.restarted(srv)
        procs.pause(first)
        try:
            answer = self.admin(srv, "rollback", timeout=15 * SLOW)
            self.assertEqual((answer.status, answer.json["error"]), (504, "ETIMEDOUT"))
            self.assertEqual(self.serving_pid(srv), second)
        finally:
            os.kill(first, signal.SIGCONT)
        time.sleep(0.5)  # for a wrong one, to come back
        self.assertEqual(self.serving_pid(srv), second)
        self.rolled_back(srv, first)

    def test_the_predecessor_killed_while_it_is_given_back_to(self):
        # Nobody else is there to start the program again: the other goes on.
        srv = self.app(env=BAKE)
        first = srv.pid
        second = self.restarted(srv)
        running = self.held(srv)
        self.rolled_back(srv, first)
        os.kill(first, signal.SIGKILL)
        self.assertTrue(eventually(lambda: self.open_at(srv.port), 20))
        self.assertEqual(self.serving_pid(srv), second)
        self.assertEqual(running.answer().body, b"%d\n%d\n" % (second, second))
        self.assertNotEqual(self.restarted(srv), second)

    def test_a_shutdown_while_the_other_still_gives_back(self):
        srv = self.app(env=BAKE)
        first = srv.pid
        second = self.restarted(srv)
        running = self.held(srv)
        self.rolled_back(srv, first)
        os.kill(first, signal.SIGTERM)
        srv.wait_log("%d: server shutting down" % first)
        self.assertTrue(procs.alive(second))
        self.assertEqual(running.answer().body, b"%d\n%d\n" % (second, second))
        self.assertEqual(srv.exit_code(), 0)
        self.assertTrue(srv.wait_empty(20))

    def test_both_dying_in_the_middle_leaves_the_other(self):
        for victim in (0, 1):
            srv = self.app(env=BAKE)
            pids = [srv.pid, self.restarted(srv)]
            asking = self.connect(srv)
            procs.pause(pids[victim])
            if victim == 1:
                os.kill(pids[victim], signal.SIGKILL)
                self.assertEqual(self.serving_pid(srv), pids[0])
            else:
                # The one that is asked dies before it could answer: its program is
                # kept, and started.
                asking.send(b"POST /debug/admin/rollback HTTP/1.1\r\nHost: localhost\r\n"
                            b"Content-Length: 0\r\n\r\n")
                time.sleep(0.2)
                os.kill(pids[victim], signal.SIGKILL)
                self.assertEqual(asking.answer().status, 200)
                self.assertNotIn(self.serving_pid(srv), pids)
            srv.stop()


class ByHandTls(RollbackCase):
    """Over TLS: connections come back with their keys."""
    tls = True
    test_the_predecessor_serves_and_has_its_connections_again = \
        ByHand.test_the_predecessor_serves_and_has_its_connections_again
    test_a_running_request_is_finished_by_the_one_that_began_it = \
        ByHand.test_a_running_request_is_finished_by_the_one_that_began_it
    test_every_subscriber_gets_every_event_once = \
        ByHand.test_every_subscriber_gets_every_event_once


class Kept(RollbackCase):
    """The predecessor is gone: its program is kept."""

    def second_serves(self, **kw):
        srv = self.app(env={"MOLT_SERVER_BAKETIME": "0s"}, **kw)
        first = srv.pid
        self.put("2")
        second = self.restarted(srv)
        self.assertTrue(procs.wait_gone(first, 5 * SLOW))
        self.assertTrue(eventually(
            lambda: self.status(srv)["rollback"]["how"] == "program", 3))
        return srv, second

    def test_the_program_that_was_overwritten_serves_again(self):
        srv, second = self.second_serves()
        conn = self.connect(srv)
        conn.request("GET", "/pid")
        with load.Running(srv.port, "reused", 8, False, "get", timeout=10 * SLOW) as run:
            answer = self.admin(srv, "rollback")
            report = run.finish()
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["receipt"]["outcome"], "rolled back", answer.json)
        self.assertIn("the admin API", answer.json["receipt"]["reason"])
        self.assertEqual((report["failed"], report["reconnects"]), (0, 0), report)
        self.assertEqual(self.build(srv), "1")
        self.assertNotEqual(int(conn.request("GET", "/pid").body), second)
        # A restart starts what is on disk, as ever.
        self.assertTrue(procs.wait_gone(second, 5 * SLOW))
        self.restarted(srv)
        self.assertEqual(self.build(srv), "2")

    def test_the_program_that_was_deleted_serves_again(self):
        srv, _ = self.second_serves()
        os.unlink(self.path("app"))
        self.assertEqual(self.admin(srv, "rollback").status, 200)
        self.assertEqual(self.build(srv), "1")

    def test_twice_is_there_and_back(self):
        srv, _ = self.second_serves()
        for build in "121":
            self.assertEqual(self.admin(srv, "rollback").status, 200)
            self.assertEqual(self.build(srv), build)
            self.assertTrue(eventually(lambda: len(srv.pids()) == 1, 5))

    def write_over(self, name, data):
        """False while a thread of a process that has ended still runs the file."""
        try:
            with open(self.path(name), "r+b") as f:
                f.write(data)
        except OSError as e:
            self.assertEqual(e.errno, errno.ETXTBSY)
            return False
        return True

    def test_a_program_at_another_path_that_was_written_over_in_place_is_refused(self):
        srv = self.app(env={"MOLT_SERVER_BAKETIME": "0s"})
        first = srv.pid
        other = self.put("2", "other")
        second = self.restarted(srv, other)
        self.assertTrue(procs.wait_gone(first, 5 * SLOW))
        self.assertTrue(eventually(lambda: self.write_over("app", b"#!/bin/sh\nexit 1\n")))
        self.assertTrue(eventually(
            lambda: self.status(srv)["rollback"]["how"] == "program", 3))
        answer = self.admin(srv, "rollback")
        self.assertEqual(answer.status, 422, answer)
        self.assertIn("written over in place", answer.json["reason"])
        self.assertEqual(self.serving_pid(srv), second)

    def test_a_kept_program_that_fails_changes_nothing(self):
        path = self.write("molt.yaml", "server:\n  address: '127.0.0.1:0'\n")
        srv = self.app(path, env={"MOLT_SERVER_ADDRESS": None, "MOLT_SERVER_BAKETIME": "0s"})
        first = srv.pid
        second = self.restarted(srv)
        self.assertTrue(procs.wait_gone(first, 5 * SLOW))
        self.assertTrue(eventually(
            lambda: self.status(srv)["rollback"]["how"] == "program", 3))
        self.write("molt.yaml", "server:\n  nonsense: 1\n")
        answer = self.admin(srv, "rollback")
        self.assertEqual(answer.status, 502, answer)
        self.assertEqual(answer.json["receipt"]["outcome"], "failed")
        self.assertEqual(self.serving_pid(srv), second)


class Supervised(SupervisedCase):
    def test_by_the_command_below_the_supervisor(self):
        srv = self.supervised(env=BAKE)
        first = srv.pid
        self.assertIn("no generation to go back to", self.molt("rollback", code=1).stderr)
        second = self.restarted(srv)
        self.assertIn("rollback", self.molt("status").stdout)
        told = self.molt_json("rollback")
        self.assertTrue(told["ok"], told)
        self.assertEqual(self.serving_pid(srv.port), first)
        self.assertTrue(procs.wait_gone(second, 5 * SLOW))
        time.sleep(0.3)  # for a wrong one, to start it
        self.assertEqual(len(srv.pids()), 2, "it was started again: %r" % srv.pids())
        self.assertEqual(self.molt_json("history")[0]["outcome"], "rolled back")
        # The supervisor knows who serves: it starts another when that one dies.
        os.kill(first, signal.SIGKILL)
        self.assertNotIn(self.serving_pid(srv.port), (first, second))
        self.assertTrue(eventually(lambda: self.status(srv)["state"] == "serving", 3))
        self.assertTrue(self.restarted(srv))


    def test_the_kept_program_below_the_supervisor(self):
        srv = self.supervised(env={"MOLT_SERVER_BAKETIME": "0s"})
        first = srv.pid
        self.put("2")
        second = self.restarted(srv)
        self.assertTrue(procs.wait_gone(first, 5 * SLOW))
        self.molt("rollback")
        self.assertEqual(self.build(srv), "1")
        self.assertTrue(procs.wait_gone(second, 5 * SLOW))
        # After a crash the one that served is started, not the file at its path.
        old = self.serving_pid(srv)
        os.kill(old, signal.SIGKILL)
        self.assertNotEqual(self.serving_pid(srv), old)
        self.assertEqual(self.build(srv), "1")


if __name__ == "__main__":
    main()
