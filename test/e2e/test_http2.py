"""HTTP/2 from outside: who gets it, usual clients, and the program's view of it."""
import os
import re
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
from case import SLOW, Case, curl, eventually, main, needs, program  # noqa: E402
from h2 import H2  # noqa: E402
from rawhttp import unverified_context  # noqa: E402


def ran(*argv, **kw):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60 * SLOW, **kw)
    return done.stdout.decode(errors="replace")


class Https(Case):
    @classmethod
    def setUpClass(cls):
        import shutil
        import tempfile
        cls.dir = tempfile.mkdtemp(prefix="molt-test-")
        cls.addClassCleanup(shutil.rmtree, cls.dir, True)
        cls.crt, cls.key = certs.make(cls.dir)
        cls.srv = cls.shared_server(program("test/programs/app"), env={
            "MOLT_SERVER_HTTPSCERTPATH": cls.crt, "MOLT_SERVER_HTTPSKEYPATH": cls.key,
            "MOLT_SERVER_HTTP2": "true"})
        cls.url = "https://127.0.0.1:%d" % cls.srv.port

    def chosen(self, *names):
        context = unverified_context()
        context.set_alpn_protocols(names)
        conn = self.connect(self.srv, tls=context)
        return conn.sock.selected_alpn_protocol()

    def test_it_is_preferred_whatever_the_clients_order(self):
        self.assertEqual(self.chosen("http/1.1", "h2"), "h2")
        self.assertEqual(self.chosen("h2", "http/1.1"), "h2")
        self.assertEqual(self.chosen("http/1.1"), "http/1.1")
        self.assertEqual(self.chosen("h3", "h2"), "h2")

    def test_only_unknown_names_are_refused_by_an_alert(self):
        context = unverified_context()
        context.set_alpn_protocols(["h3", "imap"])
        with self.assertRaisesRegex(ssl.SSLError, "(?i)no.application.protocol"):
            self.connect(self.srv, tls=context).request("GET", "/")

    def test_curl(self):
        done = curl("-k", "--http2", "-w", "%{http_version}", self.url + "/build")
        self.assertEqual(done.stdout, b"1\n2")
        done = curl("-k", "--http1.1", "-w", "%{http_version}", self.url + "/build")
        self.assertEqual(done.stdout, b"1\n1.1")

    def test_curl_moves_large_bodies_both_ways(self):
        path = os.path.join(self.directory(), "body")
        with open(path, "wb") as f:
            f.write(os.urandom(3000000))
        done = curl("-k", "--http2", "--data-binary", "@" + path, "-H", "Content-Type: a/b", self.url + "/echo")
        with open(path, "rb") as f:
            self.assertEqual(done.stdout, f.read())
        done = curl("-k", "--http2", "-w", "%{http_version}", self.url + "/pour?n=2000000")
        self.assertEqual(len(done.stdout), 2000001)

    def test_http_1_1_is_as_before(self):
        conn = self.connect(self.srv, tls=True)
        for i in range(3):
            self.assertEqual(conn.request("GET", "/id?id=%d" % i).body.split()[0], b"%d" % i)

    @needs("node")
    def test_node(self):
        script = """
            const http2 = require('http2');
            const c = http2.connect(process.argv[1], { rejectUnauthorized: false });
            const body = Buffer.alloc(100000, 'x');
            let left = 60, bad = 0;
            for (let i = 0; i < 60; i++) {
                const post = i % 2;
                const r = c.request({ ':path': post ? '/echo' : '/pour?n=100000', ':method': post ? 'POST' : 'GET' });
                let n = 0, status = 0;
                r.on('response', h => status = h[':status']);
                r.on('data', d => n += d.length);
                r.on('error', e => { console.log(e.message); bad++; });
                r.on('close', () => { if (status != 200 || n != 100000) bad++; if (!--left) { console.log('bad', bad); c.close(); } });
                r.end(post ? body : undefined);
            }
        """
        self.assertEqual(ran("node", "-e", script, self.url), "bad 0\n")

    def test_h2load(self):
        out = ran("h2load", "-n", "2000", "-c", "4", "-m", "25", self.url + "/build")
        self.assertIn("2000 succeeded, 0 failed, 0 errored", out)
        self.assertIn("Application protocol: h2", out)

    def test_the_handler_knows_of_tls(self):
        client = H2(self.srv.port, tls=True)
        self.assertIn(b"tls=1", client.fetch("/show").body)
        client.close()


class Off(Case):
    def test_by_default_it_is_off(self):
        srv = self.server(program("test/programs/app"))
        conn = self.connect(srv)
        conn.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.assertEqual(conn.answer().status, 505)


class Cleartext(Case):
    @classmethod
    def setUpClass(cls):
        cls.srv = cls.shared_server(program("test/programs/app"), env={
            "MOLT_SERVER_HTTP2CLEARTEXT": "true", "MOLT_SERVER_ACCESSLOGENABLED": "true"})
        cls.url = "http://127.0.0.1:%d" % cls.srv.port

    def client(self):
        client = H2(self.srv.port)
        self.addCleanup(client.close)
        return client

    def test_curl_by_prior_knowledge(self):
        done = curl("--http2-prior-knowledge", "-w", "%{http_version}", self.url + "/build")
        self.assertEqual(done.stdout, b"1\n2")
        self.assertEqual(curl(self.url + "/build").stdout, b"1\n")
        # An upgrade is not understood, and the answer is one of HTTP/1.1.
        done = curl("--http2", "-w", "%{http_version}", self.url + "/build")
        self.assertEqual(done.stdout, b"1\n1.1")

    def test_nghttp(self):
        path = os.path.join(self.directory(), "body")
        with open(path, "w") as f:
            f.write("a body\n" * 3000)
        out = ran("nghttp", "-v", "-m", "3", self.url + "/echo", "-d", path)
        self.assertEqual(len(re.findall(r"recv \(stream_id=\d+\) :status: 200", out)), 3)
        self.assertEqual(len(re.findall(r"recv \(stream_id=\d+\) content-length: 21000", out)), 3)
        self.assertIn("error_code=NO_ERROR", out)

    def test_the_access_log_and_the_status_say_so(self):
        since = self.srv.mark()
        before = self.admin(self.srv, "status", "GET").json["servers"][0]["http2"]
        client = self.client()
        self.assertEqual(client.fetch("/id?id=7").status, 200)
        self.srv.wait_log(r'200 "GET http a /id\?id=7 HTTP/2\.0"', since=since)
        now = self.admin(self.srv, "status", "GET").json["servers"][0]["http2"]
        self.assertEqual(now["total_requests"] - before["total_requests"], 1)
        self.assertEqual(now["total_connections"] - before["total_connections"], 1)
        self.assertGreaterEqual(now["connections"], 1)

    def test_routes_pages_and_fields_are_those_of_http_1(self):
        client = self.client()
        for path in ("/users/x%20y", "/nothing", "/page/a.b", "/where", "/json", "/api/open", "/set-cookie", "/status?n=418"):
            one, two = self.fetch(self.srv, path), client.fetch(path)
            self.assertEqual((two.status, two.body), (one.status, one.body), path)
            for name in ("content-type", "content-length", "set-cookie"):
                self.assertEqual(two.field(name), one.get(name), path)

    def test_a_form_is_read(self):
        client = self.client()
        kind = [("content-type", "application/x-www-form-urlencoded")]
        two = client.fetch("/form", method="POST", headers=kind, body=b"a=1&b=x+y")
        one = self.fetch(self.srv, "/form", method="POST", body=b"a=1&b=x+y",
                         headers=kind)
        self.assertEqual((two.status, two.body), (one.status, one.body))

    def test_a_cancelled_stream_is_the_handlers_disconnect(self):
        client, since = self.client(), self.srv.mark()
        stream = client.ask("/until-gone")
        client.until(lambda: client.fetch("/build").status == 200)
        client.cancel(stream)
        self.srv.wait_log("gone", since=since)
        self.assertEqual(client.fetch("/build").body, b"1\n")

    def test_an_event_stream_is_sent_and_can_be_cancelled(self):
        client = self.client()
        stream = client.ask("/events?topic=h2")
        answer = client.answers[stream]
        client.until(lambda: answer.body.startswith(b": welcome\n"))
        self.assertEqual(answer.field("content-type"), "text/event-stream")
        for i in range(3):
            client.fetch("/publish?topic=h2&id=%d" % i, method="POST", body=b"hello %d" % i)
        client.until(lambda: b"hello 2" in answer.body)
        self.assertEqual(re.findall(rb"data: (.*)\n", answer.body), [b"hello 0", b"hello 1", b"hello 2"])
        client.cancel(stream)
        self.assertEqual(client.fetch("/build").body, b"1\n")
        self.assertTrue(eventually(
            lambda: self.admin(self.srv, "status", "GET").json["servers"][0]["requests"] == 1, 30))

    def test_requests_in_steps_go_on(self):
        client = self.client()
        lines = client.fetch("/step/pids?ms=20&hops=4").body.split()
        self.assertEqual(lines, [b"%d" % self.srv.pid] * 5)
        stream = client.ask("/step/pids?ms=60000&hops=1&topic=h2-step&mode=flush")
        client.until(lambda: client.answers[stream].body.count(b"\n") == 1)
        self.assertTrue(eventually(lambda: b"ok" in self.fetch(
            self.srv, "/publish?topic=h2-step", method="POST", body=b"x").body and True))
        self.assertEqual(client.answer(stream).body.count(b"\n"), 2)
        two = client.fetch("/step/show/p?ms=10&q=1", method="POST", body=b"text")
        self.assertEqual(two.status, 202)
        self.assertIn(b"param=p\nquery=1\n", two.body)
        self.assertIn(b"body=text", two.body)

    def test_a_websocket_is_refused_in_words(self):
        answer = self.client().fetch("/ws/topic")
        self.assertEqual(answer.status, 501)
        self.assertIn(b"HTTP/1.1", answer.body)

    def test_a_flood_is_ended_and_others_do_not_feel_it(self):
        client, other = self.client(), self.client()
        for _ in range(3000):
            client.send(6, 0, 0, b"12345678")
        client.rest()
        self.assertEqual(client.goaways[-1][1], 11)
        self.assertEqual(other.fetch("/build").body, b"1\n")


if __name__ == "__main__":
    main()
