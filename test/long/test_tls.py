"""HTTPS at full size: load with 1000 idle connections beside it through 36 restarts in
each suite, 15,000 idle ones, 500 WebSockets, bodies of 100 MB."""
import os
import resource
import socket
import ssl
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "restart")]
os.environ["MOLT_WS_SOCKETS"] = "500"
os.environ["MOLT_WS_RESTARTS"] = "20"
os.environ["MOLT_TLS_BYTES"] = "100000000"
import certs  # noqa: E402
import load  # noqa: E402
import procs  # noqa: E402
from case import SLOW, main  # noqa: E402
from rawhttp import unverified_context  # noqa: E402
from release import RestartCase  # noqa: E402
from test_tls import Bodies  # noqa: E402, F401
from test_ws import MovesTls  # noqa: E402, F401

GET = b"GET /pid HTTP/1.1\r\nHost: a\r\n\r\n"
IDLE, BUSY, PAUSING, RESTARTS, MANY, LIMIT_MS = 1000, 64, 256, 36, 15000, 2000


class Crowd:
    """Connections that say a word when they are asked to."""

    def __init__(self, port, n):
        self.context = unverified_context()
        self.conns = []
        for _ in range(n):
            raw = socket.create_connection(("127.0.0.1", port), timeout=30 * SLOW)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.conns.append(self.context.wrap_socket(raw))

    def pids(self):
        """Who answers them, with how many."""
        seen = {}
        for conn in self.conns:
            conn.sendall(GET)
            answer = conn.recv(4096)
            head, _, body = answer.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200") or b"connection: close" in head.lower():
                raise AssertionError(answer)
            seen[int(body)] = seen.get(int(body), 0) + 1
        return seen

    def close(self):
        for conn in self.conns:
            conn.close()


class Https(RestartCase):
    def setUp(self):
        super().setUp()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)

    def https(self, **more):
        crt, key = certs.make(self.dir)
        self.put("1")
        return self.server(self.path("app"), env={
            "MOLT_SERVER_HTTPSCERTPATH": crt, "MOLT_SERVER_HTTPSKEYPATH": key,
            "MOLT_SERVER_MAXCONNECTIONS": "18000", "MOLT_SERVER_IDLETIMEOUT": "30m", **more})

    def connect(self, where, **kw):
        return super().connect(where, **{"tls": True, "timeout": 30 * SLOW, **kw})

    def through(self, suite, shed):
        srv = self.https(MOLT_SERVER_TLSSHED=shed)
        pids = [srv.pid]
        env = {"OPENSSL_CONF": certs.client_conf(self.dir, suite)}
        idle = Crowd(srv.port, IDLE)
        self.addCleanup(idle.close)
        self.assertEqual(idle.pids(), {pids[0]: IDLE})
        with load.Running(srv.port, "reused", BUSY, True, "get,post", timeout=30 * SLOW,
                          env=env) as busy, \
                load.Running(srv.port, "pausing", PAUSING, True, "get,post,chunked,split",
                             timeout=30 * SLOW, env=env) as pausing:
            for i in range(RESTARTS):
                self.put("12"[i % 2])
                pids.append(srv.restart(timeout=30))
                time.sleep(0.3)
            reports = [busy.finish(), pausing.finish()]
        for r in reports:
            print("%s %s, shed %s: %d restarts, %d ok, %d failed, %d reconnects, %d closed, "
                  "longest %.0f ms" % (suite, r["mode"], shed, len(set(pids)) - 1, r["ok"],
                                       r["failed"], r["reconnects"], r["idle_closes"],
                                       r["longest_ms"]), flush=True)
            self.assertEqual(r["failed"] + r["reconnects"] + r["idle_closes"], 0, r)
        self.assertEqual(len(set(pids)), RESTARTS + 1)
        self.assertEqual(idle.pids(), {pids[-1]: IDLE})
        for pid in pids[:-1]:
            self.assertTrue(procs.wait_gone(pid, 10 * SLOW), "generation %d stays" % pid)

    def test_aes_128(self):
        self.through(certs.SUITES[0], "false")

    def test_aes_256_shed(self):
        self.through(certs.SUITES[1], "true")

    def test_chacha20(self):
        self.through(certs.SUITES[2], "false")

    def test_tls_1_2(self):
        self.through("TLSv1.2", "false")

    def many(self, shed):
        srv = self.https(MOLT_SERVER_TLSSHED=shed)
        crowd = Crowd(srv.port, MANY)
        self.addCleanup(crowd.close)
        self.assertEqual(crowd.pids(), {srv.pid: MANY})
        for _ in range(3):
            new = self.restarted(srv)
            receipt = self.status(srv)["receipts"][0]
            took = {p["phase"]: p["ms"] for p in receipt["phases"]}["HANDOVER"]
            print("%d HTTPS connections moved in %.0f ms, shed %s" % (receipt["moved"], took, shed),
                  flush=True)
            self.assertGreaterEqual(receipt["moved"], MANY)
            self.assertLess(took, LIMIT_MS * SLOW)
        self.assertEqual(crowd.pids(), {new: MANY})

    def test_15000_idle_ones(self):
        self.many("false")

    def test_15000_idle_ones_that_have_shed_openssl(self):
        self.many("true")


if __name__ == "__main__":
    main()
