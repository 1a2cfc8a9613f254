"""HTTPS: versions, ALPN, certificates that cannot be used, clients that do not
speak TLS or speak it too slowly."""
import os
import re
import ssl
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
import procs  # noqa: E402
from case import SHORT, SLOW, Case, curl, main, program  # noqa: E402
from rawhttp import unverified_context  # noqa: E402


class Https(Case):
    @classmethod
    def setUpClass(cls):
        import shutil
        import tempfile
        cls.dir = tempfile.mkdtemp(prefix="molt-test-")
        cls.addClassCleanup(shutil.rmtree, cls.dir, True)
        cls.crt, cls.key = certs.make(cls.dir)

    def https_env(self, **more):
        return {"MOLT_SERVER_HTTPSCERTPATH": self.crt, "MOLT_SERVER_HTTPSKEYPATH": self.key, **more}

    @classmethod
    def s_client(cls, port, *args, data=b""):
        done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port, *args],
                              input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=20 * SLOW)
        return done.stdout.decode(errors="replace")


class Serving(Https):
    shed = "true"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.srv = cls.shared_server(program("test/programs/app"), env={
            "MOLT_SERVER_HTTPSCERTPATH": cls.crt, "MOLT_SERVER_HTTPSKEYPATH": cls.key,
            "MOLT_SERVER_TLSSHED": cls.shed})
        cls.url = "https://127.0.0.1:%d" % cls.srv.port

    def test_the_log_says_https(self):
        self.assertEqual(self.srv.scheme, "https")

    def test_curl_with_and_without_checking(self):
        self.assertEqual(curl("-k", self.url + "/build").stdout, b"1\n")
        self.assertEqual(curl("--cacert", self.crt, self.url + "/build").stdout, b"1\n")
        self.assertEqual(curl(self.url + "/build").returncode, 60)

    def test_tls_1_2_and_1_3_are_spoken(self):
        for version, flag in (("TLSv1.2", "-tls1_2"), ("TLSv1.3", "-tls1_3")):
            out = self.s_client(self.srv.port, flag, "-brief")
            self.assertIn("Protocol version: " + version, out)

    def test_older_versions_are_refused(self):
        for flag in ("-tls1", "-tls1_1"):
            out = self.s_client(self.srv.port, flag, "-cipher", "ALL:@SECLEVEL=0")
            self.assertNotRegex(out, r"Protocol *: TLSv1(\.1)?$")
            self.assertRegex(out, r"alert|Cipher is \(NONE\)|no protocols")

    def test_weak_ciphers_are_refused(self):
        for cipher in ("AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "NULL-SHA256", "aNULL"):
            out = self.s_client(self.srv.port, "-tls1_2", "-cipher", cipher + ":@SECLEVEL=0")
            self.assertRegex(out, r"Cipher is \(NONE\)|alert|no cipher", cipher)

    def test_alpn_picks_http_1_1(self):
        out = self.s_client(self.srv.port, "-alpn", "h2,http/1.1")
        self.assertIn("ALPN protocol: http/1.1", out)

    def test_an_offer_without_http_1_1_is_refused(self):
        context = unverified_context()
        context.set_alpn_protocols(["imap"])
        with self.assertRaises(ssl.SSLError):
            self.connect(self.srv, tls=context).request("GET", "/")

    def test_no_offer_is_fine(self):
        out = self.s_client(self.srv.port)
        self.assertIn("No ALPN negotiated", out)
        self.assertRegex(out, r"Cipher is (TLS_|ECDHE)")

    def test_renegotiation_is_not_allowed(self):
        conn = subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" % self.srv.port,
                                 "-tls1_2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        time.sleep(0.5)
        try:
            out, _ = conn.communicate(b"R\n", timeout=10 * SLOW)
        except subprocess.TimeoutExpired:
            conn.kill()
            out, _ = conn.communicate()
        self.assertRegex(out, rb"no renegotiation|alert|error|closed")
        self.assertEqual(curl("-k", self.url + "/build").stdout, b"1\n")

    def test_many_requests_on_one_connection(self):
        conn = self.connect(self.srv, tls=True)
        for i in range(50):
            self.assertEqual(conn.request("GET", "/id?id=%d" % i).body.split()[0], b"%d" % i)

    def test_big_bodies_both_ways(self):
        data = os.urandom(3000000)
        conn = self.connect(self.srv, tls=True)
        self.assertEqual(conn.request("POST", "/echo", body=data).body, data)
        self.assertEqual(len(conn.request("GET", "/pour?n=2000000").body), 2000000)

    def test_pipelined_requests_in_one_record(self):
        conn = self.connect(self.srv, tls=True)
        conn.send(b"".join(b"GET /id?id=%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(50)))
        for i in range(50):
            self.assertEqual(conn.answer().body.split()[0], b"%d" % i)

    def test_the_handler_knows(self):
        self.assertIn(b"tls=1", self.fetch(self.srv, "/show", tls=True).body)

    def test_the_end_is_announced(self):
        conn = self.connect(self.srv, tls=True)
        conn.sock.suppress_ragged_eofs = False
        conn.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        conn.answer()
        self.assertEqual(conn.sock.recv(10), b"")  # an error without close_notify

    def test_a_session_is_resumed(self):
        path = os.path.join(self.directory(), "session")
        request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        self.s_client(self.srv.port, "-sess_out", path, "-ign_eof", data=request)
        out = self.s_client(self.srv.port, "-sess_in", path, "-ign_eof", data=request)
        self.assertIn("Reused", out)

    def test_each_resumption_gives_the_ticket_for_the_next(self):
        path = os.path.join(self.directory(), "session")
        request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        self.s_client(self.srv.port, "-sess_out", path, "-ign_eof", data=request)
        for _ in range(5):
            with open(path, "rb") as f:
                before = f.read()
            out = self.s_client(self.srv.port, "-sess_in", path, "-sess_out", path, "-ign_eof",
                                data=request)
            self.assertIn("Reused", out)
            with open(path, "rb") as f:
                self.assertNotEqual(f.read(), before)

    def test_plain_http_gets_a_400_in_plain_text(self):
        conn = self.connect(self.srv)
        conn.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = conn.answer()
        self.assertEqual(answer.status, 400)
        self.assertTrue(conn.closed())

    def test_garbage_is_dropped(self):
        for data in (b"\0" * 100, b"\x16\x03\x01\xff\xff" + b"x" * 1000, b"\x80\x00" * 50,
                     b"\xff" * 9):
            conn = self.connect(self.srv)
            try:
                conn.send(data)
                conn.half_close()
            except OSError:
                pass  # refused and reset already
            self.assertIsNotNone(conn.rest())
        self.assertEqual(curl("-k", self.url + "/build").stdout, b"1\n")

    def test_a_client_that_leaves_in_the_handshake_harms_nothing(self):
        for _ in range(30):
            conn = self.connect(self.srv)
            conn.send(b"\x16\x03\x01\x02\x00\x01")
            conn.close()
        self.assertEqual(curl("-k", self.url + "/build").stdout, b"1\n")


class ServingByOpenssl(Serving):
    """The same when OpenSSL does all records."""
    shed = "false"


@unittest.skipIf(SLOW > 1, "sanitizers have memory of their own")
class Memory(Https):
    def each(self, shed, path=None):
        """Bytes for each further connection that waits."""
        srv = self.server(program("test/programs/app"), env=self.https_env(
            MOLT_SERVER_TLSSHED=shed, MOLT_SERVER_LOOPS="1",
            # Those that ask nothing are there until the last one is.
            MOLT_SERVER_HEADERTIMEOUT="600s", MOLT_SERVER_IDLETIMEOUT="600s"))
        kept = []

        def crowd(count):
            for _ in range(count):
                conn = self.connect(srv, tls=True)
                if path:
                    conn.request("GET", path)
                kept.append(conn)
            return procs.status_field(srv.pid, "RssAnon") * 1024
        warm = crowd(200)
        return (crowd(300) - warm) / 300

    def test_a_connection_that_waits_after_its_first_answer_is_small(self):
        self.assertLess(self.each("true", "/build"), 5000)

    def test_it_is_openssl_s_where_that_is_asked_for(self):
        self.assertGreater(self.each("false", "/build"), 9000)

    def test_before_its_first_answer_it_is_openssl_s(self):
        self.assertGreater(self.each("true"), 9000)


class Slow(Https):
    def test_a_handshake_that_stops_is_ended(self):
        srv = self.server(program("test/programs/app"),
                          env=self.https_env(MOLT_SERVER_HEADERTIMEOUT="1s"))
        silent, begun = self.connect(srv), self.connect(srv)
        begun.send(b"\x16\x03\x01\x02")
        for conn in (silent, begun):  # before the default of 10 s would end them
            self.assertIsNotNone(conn.rest(9 * SLOW))

    def test_slow_handshakes_do_not_keep_others_out(self):
        srv = self.server(program("test/programs/app"),
                          env=self.https_env(MOLT_SERVER_HEADERTIMEOUT="600s"))
        held = [self.connect(srv) for _ in range(100 if SHORT else 400)]
        for conn in held:
            conn.send(b"\x16")
        self.assertEqual(self.fetch(srv, "/build", tls=True).body, b"1\n")


class StartUp(Https):
    def fails(self, crt, key, *words):
        srv = self.spawned(program("test/programs/app"), env={
            "MOLT_SERVER_HTTPSCERTPATH": crt, "MOLT_SERVER_HTTPSKEYPATH": key})
        self.assertEqual(srv.exit_code(), 1, srv.log())
        for word in words:
            self.assertRegex(srv.log(), word)
        self.assertNotIn("listening on", srv.log())

    def test_a_missing_certificate_is_named(self):
        self.fails("/no/such.crt", self.key, re.escape("/no/such.crt"), "[Nn]o such file")

    def test_a_missing_key_is_named(self):
        self.fails(self.crt, "/no/such.key", re.escape("/no/such.key"))

    def test_a_file_that_is_no_certificate_is_named(self):
        bad = os.path.join(self.directory(), "bad.crt")
        with open(bad, "w") as f:
            f.write("not a certificate\n")
        self.fails(bad, self.key, re.escape(bad))
        self.fails(self.crt, bad, re.escape(bad))

    def test_a_key_of_another_certificate_is_refused(self):
        _, other = certs.make(self.directory(), "other")
        self.fails(self.crt, other, re.escape(other), "key")

    def test_a_certificate_without_a_key_is_an_error(self):
        srv = self.spawned(program("test/programs/app"),
                           env={"MOLT_SERVER_HTTPSCERTPATH": self.crt})
        self.assertEqual(srv.exit_code(), 1, srv.log())
        self.assertRegex(srv.log(), "[kK]ey")


class Both(Https):
    def test_http_and_https_side_by_side(self):
        srv = self.server(program("test/programs/app"), listeners=2, env=self.https_env(
            MOLT_SERVER_HTTPSADDR="127.0.0.1:0"))
        by_scheme = {line.scheme: line.port for line in srv.listening()}
        self.assertEqual(set(by_scheme), {"http", "https"})
        self.assertEqual(curl("http://127.0.0.1:%d/build" % by_scheme["http"]).stdout, b"1\n")
        url = "https://127.0.0.1:%d/build" % by_scheme["https"]
        self.assertEqual(curl("-k", url).stdout, b"1\n")


if __name__ == "__main__":
    main()
