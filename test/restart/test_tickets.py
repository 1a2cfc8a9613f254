"""TLS sessions begun in one generation are resumed in the next ones."""
import os
import socket
import ssl
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
from case import SHORT, main  # noqa: E402
from release import RestartCase  # noqa: E402

SESSIONS = 20 if SHORT else 100


class Tickets(RestartCase):
    def client(self, version):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        return context

    def visit(self, srv, context, session=None):
        """One request; its pid, the session, and whether it was resumed."""
        with socket.create_connection(("127.0.0.1", srv.port), timeout=10) as raw:
            with context.wrap_socket(raw, session=session) as conn:
                conn.sendall(b"GET /pid HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                answer = b""
                while True:
                    piece = conn.recv(4096)
                    if not piece:
                        break
                    answer += piece
                return int(answer.split(b"\r\n\r\n")[1]), conn.session, conn.session_reused

    def resumes(self, version):
        crt, key = certs.make(self.dir)
        srv = self.app(env={"MOLT_SERVER_HTTPSCERTPATH": crt, "MOLT_SERVER_HTTPSKEYPATH": key})
        context = self.client(version)
        sessions = []
        for _ in range(SESSIONS):
            pid, session, reused = self.visit(srv, context)
            self.assertFalse(reused)
            sessions.append(session)
        for _ in range(3):
            new = srv.restart()
            resumed = 0
            for session in sessions:
                pid, _, reused = self.visit(srv, context, session)
                self.assertEqual(pid, new)
                resumed += reused
            print("%d of %d sessions resumed in generation %d" % (
                resumed, SESSIONS, len(srv.generations())), flush=True)
            self.assertGreaterEqual(resumed, 0.99 * SESSIONS)

    def test_tls_1_2(self):
        self.resumes(ssl.TLSVersion.TLSv1_2)

    def test_tls_1_3(self):
        self.resumes(ssl.TLSVersion.TLSv1_3)

    def test_a_ticket_is_refused_with_another_certificate(self):
        crt, key = certs.make(self.dir)
        srv = self.app(env={"MOLT_SERVER_HTTPSCERTPATH": crt, "MOLT_SERVER_HTTPSKEYPATH": key})
        context = self.client(ssl.TLSVersion.TLSv1_3)
        _, session, _ = self.visit(srv, context)
        other = self.directory()
        for new, old in zip(certs.make(other), (crt, key)):
            os.replace(new, old)
        new = srv.restart()
        pid, _, reused = self.visit(srv, context, session)
        self.assertEqual(pid, new)
        self.assertFalse(reused)


if __name__ == "__main__":
    main()
