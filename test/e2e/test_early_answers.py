"""Answers that come before the upload has ended (404, 413, a handler that does not read):
every client sees them, whether it sends all first or not, plain, over HTTPS, and through
nginx that passes the body on as it comes."""
import os
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
from case import SLOW, Case, curl, eventually, main, program  # noqa: E402
from release import free_ports  # noqa: E402

BYTES = 12 << 20
PATHS = {"/nowhere": 404, "/small": 413, "/ignore": 200}
NGINX = """
daemon off;
worker_processes 1;
error_log stderr;
pid %(dir)s/nginx.pid;
events { }
http {
    access_log off;
    client_max_body_size 0;
    client_body_temp_path %(dir)s/body;
    proxy_temp_path %(dir)s/proxy;
    fastcgi_temp_path %(dir)s/f;
    uwsgi_temp_path %(dir)s/u;
    scgi_temp_path %(dir)s/s;
    server {
        listen 127.0.0.1:%(port)d;
        location / {
            proxy_pass http://127.0.0.1:%(back)d;
            proxy_http_version 1.1;
            proxy_request_buffering off;
        }
    }
}
"""


class EarlyAnswers(Case):
    def app(self, **env):
        return self.server(program("test/programs/app"), env={
            "MOLT_SERVER_CLIENTMAXBODYSIZE": "64m", **env})

    def upload(self, where, path, fields="Content-Length: %d" % BYTES, **kw):
        """Sends all before it reads."""
        conn = self.connect(where, timeout=20 * SLOW, **kw)
        conn.send("POST %s HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n" % (path, fields))
        piece = bytes(256 << 10)
        for _ in range(BYTES // len(piece)):
            conn.send(piece)
        return conn.answer("POST")

    def test_clients_that_send_all_before_they_read(self):
        srv = self.app()
        for path, status in PATHS.items():
            for _ in range(4):
                self.assertEqual(self.upload(srv, path).status, status)

    def test_over_https(self):
        crt, key = certs.make(self.directory())
        srv = self.app(MOLT_SERVER_HTTPSCERTPATH=crt, MOLT_SERVER_HTTPSKEYPATH=key)
        for path, status in PATHS.items():
            for _ in range(2):
                self.assertEqual(self.upload(srv, path, tls=True).status, status)

    def test_in_chunks_that_are_none(self):
        srv = self.app()
        self.assertEqual(self.upload(srv, "/ignore", "Transfer-Encoding: chunked").status, 200)

    def test_curl(self):
        srv = self.app()
        path = os.path.join(self.directory(), "body")
        with open(path, "wb") as f:
            f.truncate(BYTES)
        for _ in range(3):
            done = curl("-T", path, "-X", "POST", "-H", "Expect:", "-o", os.devnull, "-w",
                        "%{http_code}", "http://127.0.0.1:%d/nowhere" % srv.port)
            self.assertEqual(done.stdout, b"404", done.stderr)

    def nginx(self, back):
        binary = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if not binary:
            self.skipTest("nginx is not installed")
        folder, port = self.directory(), free_ports(1)[0]
        conf = os.path.join(folder, "nginx.conf")
        with open(conf, "w") as f:
            f.write(NGINX % {"dir": folder, "port": port, "back": back})
        os.chmod(folder, 0o755)
        errors = open(os.path.join(folder, "errors"), "wb+")
        self.addCleanup(errors.close)
        proc = subprocess.Popen([binary, "-p", folder, "-c", conf], stdin=subprocess.DEVNULL,
                                stdout=errors, stderr=errors)
        self.addCleanup(proc.wait, 10)
        self.addCleanup(proc.terminate)

        def listens():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        self.assertTrue(eventually(listens, 10), "nginx does not listen")
        return port

    def test_behind_nginx_that_does_not_buffer(self):
        srv = self.app()
        port = self.nginx(srv.port)
        seen = []
        for path, status in PATHS.items():
            seen += [(self.upload(port, path).status, status) for _ in range(6)]
        self.assertEqual([s for s in seen if s[0] != s[1]], [])

    def test_a_client_that_does_not_end_is_not_discarded_for_ever(self):
        srv = self.app()
        conn = self.connect(srv, timeout=20 * SLOW)
        conn.send("POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
        piece, sent = bytes(1 << 20), 0
        with self.assertRaises((ConnectionResetError, BrokenPipeError)):
            while sent < 1 << 30:
                conn.send(piece)
                sent += len(piece)
        self.assertGreater(sent, 200 << 20)


if __name__ == "__main__":
    main()
