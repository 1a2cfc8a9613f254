"""The budget of memory of the process (memoryBudget): what clients make it keep has an end
over all of them, which is told to those who are over it, and the process serves on."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import ws  # noqa: E402
from case import SLOW, Case, eventually, main, program  # noqa: E402

BODY = 300000
ROOM = BODY + 2  # that a body of this size takes: itself, a byte to see its end, a NUL
MIB = 1 << 20


class Budget(Case):
    def app(self, budget, **env):
        return self.server(program("test/programs/app"), env={
            "MOLT_SERVER_MEMORYBUDGET": budget, **env})

    def memory(self, srv):
        return self.admin(srv, "status", "GET").json["memory"]

    def upload(self, srv, part):
        """The first part of a body."""
        conn = self.connect(srv, timeout=20 * SLOW)
        conn.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % BODY)
        conn.send(bytes(part))
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
            c.send(bytes(BODY - 200000))
            self.assertEqual(len(c.answer("POST").body), BODY)
        now = self.memory(srv)
        self.assertEqual(now["budget"], 1400 << 10)
        self.assertEqual(now["refused"], statuses.count(503))
        self.assertEqual(srv.log().count("memoryBudget (1.4 MiB) is used up"), 1)
        self.assertTrue(eventually(lambda: self.memory(srv)["used"] == 0))

    def test_one_that_waits_for_room_gets_it_when_another_ends(self):
        srv = self.app("500k")
        first = self.upload(srv, 290000)
        self.assertTrue(eventually(lambda: self.memory(srv)["used"] == ROOM))
        second = self.upload(srv, BODY)
        first.send(bytes(BODY - 290000))
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

    def test_without_the_key_it_is_half_of_the_memory(self):
        srv = self.app("0")
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE")
        self.assertGreater(self.memory(srv)["budget"], 0)
        self.assertLessEqual(self.memory(srv)["budget"], total // 2)


if __name__ == "__main__":
    main()
