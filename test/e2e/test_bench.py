"""The bench measures what it says: its programs answer each workload, and a page is
made of results.  What servers cost is not measured here."""
import json
import os
import socket
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
os.environ["MOLT_BENCH_BUILD"] = os.environ.get("MOLT_BUILD", "build-test")

import measure  # noqa: E402
import memory  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
import workloads  # noqa: E402


def answer(port, head, body=b""):
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        s.sendall(head.encode() + b"Host: a\r\nConnection: close\r\n\r\n" + body)
        data = b""
        while piece := s.recv(65536):
            data += piece
            if data.startswith(b"HTTP/1.1 200") and data.endswith(b"x" * 13):
                break  # the floor keeps its connections
    return data


class Bench(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="molt-bench-")
        self.place = peers.Place(self.dir.name)
        self.addCleanup(self.dir.cleanup)

    def start(self, maker, **options):
        server = maker(self.place, **options)
        self.addCleanup(server.stop)
        return server

    def test_every_workload_gets_an_answer_of_its_size(self):
        server = self.start(peers.molt)
        for w in workloads.WORKLOADS:
            if w.options.get("tls"):
                continue
            with self.subTest(w.key):
                upload = w.key == "upload"
                head = "POST %s HTTP/1.1\r\nContent-Length: 16384\r\n" if upload else (
                    "GET %s HTTP/1.1\r\n")
                got = answer(server.port, head % w.path, b"x" * 16384 if upload else b"")
                self.assertTrue(got.startswith(b"HTTP/1.1 200 OK\r\n"), got[:200])
                body = got.partition(b"\r\n\r\n")[2]
                if "body" in w.options:
                    self.assertEqual(len(body), w.options["body"])
        self.assertIn(b"200 OK", answer(server.port, "GET /deep/hello HTTP/1.1\r\n"))

    def test_the_floor_answers_and_its_cost_is_counted(self):
        server = self.start(peers.floor)

        def load():
            for _ in range(50):
                self.assertIn(b"200 OK", answer(server.port, "GET / HTTP/1.1\r\n"))
            return 50
        self.assertGreater(measure.cost(server, load), 0)

    def test_ratios_are_taken_within_a_round(self):
        class Fake:
            now = 0.0

            def cpu(self):
                return self.now
        servers = {"a": Fake(), "b": Fake()}
        cost = {"a": iter([1, 5, 1]), "b": iter([2, 10, 2])}

        def load(name, server):
            server.now += next(cost[name])
            return 100
        found = measure.rounds(servers, load, 3, "a")
        self.assertAlmostEqual(found["b"]["ratio"], 2)
        self.assertAlmostEqual(found["a"]["ratio"], 1)

    def test_idle_connections_are_opened_and_weighed(self):
        found = memory.idle(self.place, "molt", 100, False)
        self.assertEqual(found["count"], 100)
        self.assertGreaterEqual(found["bytes"], 0)

    def test_a_page_is_made_of_results(self):
        one = {"us": 5.0, "ratio": 1.02, "spread": [1.0, 1.1], "rounds": 3}
        w = next(w for w in workloads.WORKLOADS if w.key == "keepalive64")
        found = {"floor": dict(one, ratio=1.0), "molt": one, "nginx": {"failed": "not there"}}
        results = {w.key: {"key": w.key, "title": w.title, "base": w.base, "servers": found,
                           "goals": workloads.judge(w, found)}}
        results = json.loads(json.dumps(results))
        self.assertEqual([g["met"] for g in report.goals_of(results)], [True])
        page = "\n".join(report.requests_table(results))
        self.assertIn("**1.02** (1.00 to 1.10)", page)
        self.assertIn("failed", page)


if __name__ == "__main__":
    unittest.main()
