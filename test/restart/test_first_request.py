"""A connection that was accepted just before a shutdown, and whose client sends its first
request a moment later: it is answered, plain and HTTPS."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import eventually, main  # noqa: E402
from release import RestartCase  # noqa: E402
from test_tls import TlsCase  # noqa: E402

CLIENTS = 20


class FirstRequest(RestartCase):
    def accepted(self, srv):
        """Connections that the server has, and that have not sent a byte."""
        conns = [self.connect(srv) for _ in range(CLIENTS)]
        self.assertTrue(eventually(lambda: self.status(srv)["servers"][0]["connections"] > CLIENTS))
        return conns

    def ends(self, srv, conns):
        """An idle connection closes once the loops know of the shutdown; those that have
        sent nothing stay for a second then, so all of them send before one answer is read."""
        idle = self.connect(srv)
        self.assertEqual(idle.request("GET", "/build").status, 200)
        os.kill(srv.pid, signal.SIGTERM)
        self.assertTrue(idle.closed(10))
        silent = conns.pop()
        for c in conns:
            c.send(b"GET /build HTTP/1.1\r\nHost: a\r\n\r\n")
        for c in conns:
            answer = c.answer()
            self.assertEqual((answer.status, answer.closes), (200, True))
        self.assertTrue(silent.closed(10))
        self.assertEqual(srv.exit_code(), 0)

    def test_it_is_answered(self):
        srv = self.app()
        self.ends(srv, self.accepted(srv))


class FirstHttpsRequest(TlsCase, FirstRequest):
    """The same over HTTPS: the handshake is over, and nothing has followed it."""


if __name__ == "__main__":
    main()
