"""HTTPS connections that moved: what TLS promises goes on holding in the next
processes.  Load is in test_load_https.py, WebSockets in test_ws.py."""
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
import procs  # noqa: E402
from faultcase import built_with_faults  # noqa: E402
from case import SHORT, SLOW, eventually, main  # noqa: E402
from rawhttp import Broken  # noqa: E402
from release import RestartCase  # noqa: E402
from talker import Talker  # noqa: E402

GET = "GET %s HTTP/1.1\r\nHost: a\r\n\r\n"
BYTES = int(os.environ.get("MOLT_TLS_BYTES", "2000000" if SHORT else "20000000"))


class TlsCase(RestartCase):
    env = {}

    def app(self, *argv, env=None, **kw):
        self.crt, self.key = certs.make(self.dir)
        return super().app(*argv, env={
            "MOLT_SERVER_HTTPSCERTPATH": self.crt, "MOLT_SERVER_HTTPSKEYPATH": self.key,
            **self.env, **(env or {})}, **kw)

    def connect(self, where, **kw):
        return super().connect(where, **{"tls": True, "timeout": 10 * SLOW, **kw})

    def opened(self, srv):
        """Connections that the server has accepted, in all its generations."""
        total = [s for s in self.status(srv)["servers"] if not s["name"].startswith("control")]
        return total[0]["total_connections"]


class SClient(Talker):
    """openssl s_client: its line "k" sends a KeyUpdate, "K" asks for one, too."""

    def __init__(self, port, *more, version="-tls1_3"):
        super().__init__(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port, version, "-crlf",
                          "-msg", *more])

    def say(self, line):
        super().say(line + "\n")

    def pid(self):
        """One request: the process that answered it."""
        since = len(self.text)
        for line in ("GET /id?id=mark HTTP/1.1", "Host: a", ""):
            self.say(line)
        return int(self.wait(r"mark (\d+) \d+", since).group(1))

    def order(self, letter):
        """What is typed behind it before it was seen would be lost."""
        since = len(self.text)
        self.say(letter)
        self.wait(r">>> TLS 1.3, Handshake \[length 0005\], KeyUpdate", since)

    def updates(self, sign):
        return len(re.findall(sign + r" TLS 1.3, Handshake \[length 0005\], KeyUpdate", self.text))


class KeyUpdates(TlsCase):
    def client(self, srv):
        c = SClient(srv.port)
        self.addCleanup(c.close)
        c.wait("Extended master secret|Verify return code")
        return c

    def test_of_the_client_before_between_and_after_moves(self):
        for shed in ("false", "true"):
            srv = self.app(env={"MOLT_SERVER_TLSSHED": shed})
            c = self.client(srv)
            self.assertEqual(c.pid(), srv.pid)
            for i, order in enumerate(("k", "K", "K", "k", "K")):
                c.order(order)
                if i % 2:  # read by the process that gives it away
                    time.sleep(0.1)
                self.assertEqual(c.pid(), srv.pid)
                c.order(order)  # on its way while the connection moves
                new = self.restarted(srv)
                self.assertEqual(c.pid(), new)
            self.assertEqual(c.updates(">>>"), 10)
            # Two in a row are answered by one (RFC 8446 section 4.6.3).
            self.assertGreaterEqual(c.updates("<<<"), 3)

    def test_of_the_server_after_so_many_records(self):
        for shed in ("false", "true"):
            srv = self.app(env={"MOLT_SERVER_TLSKEYLIMIT": "16", "MOLT_SERVER_TLSSHED": shed})
            c = self.client(srv)
            for _ in range(3):
                for _ in range(40):
                    self.assertEqual(c.pid(), srv.pid)
                self.restarted(srv)
            # Two tickets and 40 answers, then 40, then 40.
            self.assertEqual(c.updates("<<<"), 7)
            self.assertEqual(c.updates(">>>"), 0)


class Ends(TlsCase):
    def strict(self, srv):
        """A connection on which a cut end is an error."""
        raw = socket.create_connection(("127.0.0.1", srv.port), timeout=10 * SLOW)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        conn = context.wrap_socket(raw, suppress_ragged_eofs=False)
        self.addCleanup(conn.close)
        conn.sendall((GET % "/pid").encode())
        self.assertIn(b"200 OK", conn.recv(4096))
        return conn

    def test_the_server_says_goodbye(self):
        srv = self.app(env={"MOLT_SERVER_IDLETIMEOUT": "1s"})
        conn = self.strict(srv)
        self.restarted(srv)
        self.assertEqual(conn.recv(10), b"")

    def test_connection_close_says_goodbye(self):
        srv = self.app()
        conn = self.strict(srv)
        self.restarted(srv)
        conn.sendall(b"GET /pid HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        text = b""
        while True:
            piece = conn.recv(4096)
            if not piece:
                break
            text += piece
        self.assertTrue(text.endswith(b"%d\n" % srv.pid), text)

    def test_a_killed_server_does_not(self):
        srv = self.app()
        conn = self.strict(srv)
        new = self.restarted(srv)
        eventually(lambda: srv.pids() == [new], 5)
        os.kill(new, 9)
        with self.assertRaises((ssl.SSLEOFError, ConnectionResetError)):
            conn.recv(10)

    def test_the_goodbye_of_the_client_is_answered(self):
        srv = self.app()
        conn = self.strict(srv)
        self.restarted(srv)
        conn.unwrap()  # fails unless the server says it, too

    def test_a_cut_upload_is_told_from_an_end(self):
        srv = self.app()
        conn = self.strict(srv)
        self.restarted(srv)
        conn.sendall(b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
        self.accepted(srv)
        socket.socket.shutdown(conn, socket.SHUT_RDWR)
        self.assertTrue(srv.wait_log("count: the body ended with"))


class Bodies(TlsCase):
    env = {"MOLT_SERVER_CLIENTMAXBODYSIZE": "200m", "MOLT_SERVER_BODYTIMEOUT": "60s",
           "MOLT_SERVER_READTIMEOUT": "600s"}

    def both_ways(self, srv, conn):
        body = os.urandom(1000003)
        body *= max(1, BYTES // len(body))
        answer = conn.request("POST", "/count", body=body)
        self.assertEqual(answer.body.split()[0], b"%d" % len(body))
        self.assertEqual(answer.body.split()[1], b"%d" % sum(body))
        conn.send(GET % "/big?n=%d" % BYTES)
        head = conn.head()
        self.assertEqual(head.get("content-length"), str(BYTES))
        got, conn.buf = len(conn.buf), b""
        while got < BYTES:
            got += len(conn.sock.recv(min(1 << 20, BYTES - got)))

    def test_uploads_and_downloads_begun_after_a_move(self):
        srv = self.app(env=self.env)
        conn = self.connect(srv, timeout=60 * SLOW)
        for _ in range(2):
            new = self.restarted(srv)
            self.both_ways(srv, conn)
        self.assertEqual(conn.request("GET", "/pid").body, b"%d\n" % new)


class Clients(TlsCase):
    """Clients that keep their connection: the server counts how many it accepts."""

    def test_curl_keeps_its_connection(self):
        srv = self.app()
        url = "https://127.0.0.1:%d" % srv.port
        # A restart comes while each of its requests runs.
        holds = [self.path("hold%d" % i) for i in range(8)]
        config = self.write("curlrc", "".join(
            'url = "%s/sleep?hold=%s"\noutput = "-"\nwrite-out = "connects %%{num_connects}\\n"\n'
            % (url, hold) for hold in holds))
        curl = subprocess.Popen(["curl", "-sS", "--noproxy", "*", "--insecure", "-K", config],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        pids = {srv.pid}
        for hold in holds:
            self.assertTrue(eventually(lambda: os.path.exists(hold), 30))
            pids.add(self.restarted(srv))
            os.unlink(hold)
        text = curl.communicate()[0].decode()
        self.assertEqual(re.findall(r"connects (\d+)", text), ["1"] + ["0"] * 7, text)
        seen = set(re.findall(r"(?m)^(\d{2,})$", text))
        self.assertGreaterEqual(len(seen), 3, text)
        self.assertLessEqual({int(p) for p in seen}, pids)

    def test_openssl_keeps_its_connection_with_each_suite(self):
        for suite in certs.SUITES:
            srv = self.app()
            c = SClient(srv.port, "-ciphersuites", suite)
            self.addCleanup(c.close)
            c.wait("Cipher is " + suite)
            for _ in range(3):
                new = self.restarted(srv)
                self.assertEqual(c.pid(), new)
            c.close()

    def test_openssl_gets_the_small_records_that_it_asked_for(self):
        for version in ("-tls1_2", "-tls1_3"):
            for shed in ("false", "true"):
                srv = self.app(env={"MOLT_SERVER_TLSSHED": shed})
                c = SClient(srv.port, "-maxfraglen", "512", version=version)
                self.addCleanup(c.close)
                c.wait("Verify return code")
                for _ in range(3):
                    for _ in range(2):
                        c.say("GET /big?n=20000 HTTP/1.1\nHost: a\n")
                        self.assertEqual(c.pid(), srv.pid)
                    new = self.restarted(srv)
                    self.assertEqual(c.pid(), new)
                # s_client tells each record's length in its head.
                sizes = re.findall(r"<<< TLS 1\.\d, RecordHeader \[length 0005\]\s+17 03 03 (\w\w) (\w\w)",
                                   c.text)
                self.assertGreater(len(sizes), 3 * 2 * 20000 // 512)
                self.assertLessEqual(max(int(a + b, 16) for a, b in sizes), 512 + 24)
                c.close()

    def test_python_keeps_many(self):
        srv = self.app()
        conns = [self.connect(srv) for _ in range(30)]
        for conn in conns:  # long before the limit for the first byte, 10 s
            conn.request("GET", "/pid")
        before = self.opened(srv)
        for _ in range(3):
            new = self.restarted(srv)
            for conn in conns:
                self.assertEqual(conn.request("GET", "/pid").body, b"%d\n" % new)
        # What this test itself has asked: a restart, its check, and two statuses.
        self.assertLessEqual(self.opened(srv) - before, 3 * 2 + 2)


class Facts(TlsCase):
    def certificate_of(self, name):
        """Of a client, signed by the authority ca.crt."""
        if not os.path.exists(self.path("ca.crt")):
            certs.make(self.dir, "ca", "authority")
        key, csr, crt = (self.path(name + end) for end in (".key", ".csr", ".crt"))
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", csr,
                        "-subj", "/O=molt/CN=" + name], **quiet)
        subprocess.run(["openssl", "x509", "-req", "-in", csr, "-CA", self.path("ca.crt"),
                        "-CAkey", self.path("ca.key"), "-CAcreateserial", "-out", crt,
                        "-days", "2"], **quiet)
        return crt, key

    def client(self, *pair, version=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["http/1.1"])
        if version:
            context.maximum_version = version
        if pair:
            context.load_cert_chain(*pair)
        return context

    def test_what_the_handshake_told_is_known_in_later_processes(self):
        pair = self.certificate_of("alice")
        srv = self.app(env={"MOLT_SERVER_HTTPSCLIENTCAPATH": self.path("ca.crt")})
        for version, name in ((ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
                              (ssl.TLSVersion.TLSv1_2, "TLSv1.2")):
            known = self.connect(srv, tls=self.client(*pair, version=version))
            unknown = self.connect(srv, tls=self.client(version=version))
            for _ in range(3):
                text = known.request("GET", "/show").body.decode()
                self.assertIn("version=%s\n" % name, text)
                self.assertIn("sni=localhost\nalpn=http/1.1\n"
                              "subject=CN=alice,O=molt\nverified=ok\n", text)
                text = unknown.request("GET", "/show").body.decode()
                self.assertIn("subject=\nverified=\n", text)
                self.restarted(srv)

    def test_certificates_of_others_are_refused(self):
        self.certificate_of("alice")
        other = certs.make(self.directory(), "mallory", "mallory")
        srv = self.app(env={"MOLT_SERVER_HTTPSCLIENTCAPATH": self.path("ca.crt"),
                            "MOLT_SERVER_HTTPSCLIENTREQUIRED": "true"})
        for pair in ((), other):
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                conn = self.connect(srv, tls=self.client(*pair))
                conn.request("GET", "/show")
        conn = self.connect(srv, tls=self.client(self.path("alice.crt"), self.path("alice.key")))
        self.assertEqual(conn.request("GET", "/show").status, 200)
        srv.stop()


class Refused(TlsCase):
    def test_a_server_that_speaks_no_tls_any_more_takes_none(self):
        srv = self.app()
        conn = self.connect(srv)
        old = srv.pid
        conn.request("GET", "/pid")
        config = self.write("env.sh", "#!/bin/sh\nunset MOLT_SERVER_HTTPSCERTPATH\n"
                            "unset MOLT_SERVER_HTTPSKEYPATH\nexec '%s'\n" % self.path("app"), 0o755)
        self.restart_api(srv, config)
        answer = conn.request("GET", "/pid")
        self.assertEqual(answer.body, b"%d\n" % old)
        self.assertTrue(answer.closes)
        self.assertNotEqual(self.text(srv, "/pid", tls=None), "%d\n" % old)

    def test_a_new_program_without_tls_handover_takes_none(self):
        srv = self.app()
        conn = self.connect(srv)
        old = srv.pid
        conn.request("GET", "/pid")
        self.write("off", "#!/bin/sh\nMOLT_SERVER_TLSHANDOVER=false exec '%s'\n" % self.path("app"),
                   0o755)
        self.restart_api(srv, self.path("off"))
        answer = conn.request("GET", "/pid")
        self.assertEqual(answer.body, b"%d\n" % old)
        self.assertTrue(answer.closes)


    @unittest.skipUnless(built_with_faults(), "not built with -Dfaults=true")
    def test_an_older_program_that_does_not_name_tls_state_is_given_none(self):
        fault = self.write("fault", "successor:step.tls:enomem")
        srv = self.app(env={"MOLT_FAULT": fault})
        conn, old = self.connect(srv), srv.pid
        conn.request("GET", "/pid")
        self.restarted(srv)
        self.assertTrue(os.path.exists(fault + ".fired"))
        answer = conn.request("GET", "/pid")
        self.assertEqual(answer.body, b"%d\n" % old)
        self.assertTrue(answer.closes)
        self.assertNotEqual(self.text(srv, "/pid"), "%d\n" % old)


class TakenBack(TlsCase):
    env = {"MOLT_SERVER_BAKETIME": "30s"}

    def test_what_has_not_moved_is_served_on_by_the_predecessor(self):
        srv = self.app()
        old = srv.pid
        held = self.held(srv)
        running = held.conn
        second = self.restarted(srv)
        moved = self.connect(srv)
        self.assertEqual(moved.request("GET", "/pid").body, b"%d\n" % second)
        os.kill(second, 9)
        srv.wait_log("serves again")
        self.assertEqual(held.answer().body, b"%d\n%d\n" % (old, old))
        self.assertEqual(running.request("GET", "/pid").body, b"%d\n" % old)
        self.assertTrue(moved.closed())
        third = self.restarted(srv)
        self.assertEqual(running.request("GET", "/pid").body, b"%d\n" % third)


class Killed(TlsCase):
    env = {"MOLT_SERVER_BAKETIME": "30s"}

    def ask(self, conn):
        """Is it still served?  A record that is not the next one fails the test: no
        two processes may have sealed with one number."""
        try:
            conn.send(GET % "/pid")
            return conn.answer().status == 200
        except ssl.SSLEOFError:
            return False
        except ssl.SSLError as e:
            self.fail("a wrong record: %s" % e)
        except (Broken, ConnectionError):
            return False

    def fresh(self, srv):
        """A connection that asks as soon as it is open: 300 of them take a loaded machine
        longer than the server waits for the first byte."""
        conn = self.connect(srv)
        self.assertTrue(self.ask(conn))
        return conn

    def test_a_successor_killed_while_it_is_given_connections(self):
        srv = self.app()
        conns = [self.fresh(srv) for _ in range(300)]
        lost = kept = 0
        for _ in range(4 if SHORT else 12):
            old, since = srv.pid, srv.mark()
            os.kill(old, signal.SIGUSR2)
            time.sleep(random.uniform(0.002, 0.03) * SLOW)
            child = eventually(lambda: [p for p in srv.pids() if p != old], 5, 0.001)[0]
            os.kill(child, signal.SIGKILL)
            self.assertTrue(eventually(lambda: srv.pids() == [old], 30))
            srv.wait_log("serves again|restart failed", since=since)
            for k, conn in enumerate(conns):
                if self.ask(conn):
                    kept += 1
                else:
                    lost += 1
                    conn.close()
                    conns[k] = self.fresh(srv)
        print("%d connections went with killed processes, %d were served on" % (lost, kept),
              flush=True)


class Secrets(TlsCase):
    def test_no_secret_is_in_logs_or_receipts_or_the_environment(self):
        srv = self.app()
        keylog = self.path("keys")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.keylog_filename = keylog
        conn = self.connect(srv, tls=context)
        conn.request("GET", "/pid")
        new = self.restarted(srv)
        self.assertEqual(conn.request("GET", "/pid").body, b"%d\n" % new)
        with open(keylog) as f:
            secrets = [line.split()[2] for line in f if "TRAFFIC_SECRET_0" in line]
        self.assertEqual(len(secrets), 2)
        told = srv.log() + str(self.status(srv))
        with open("/proc/%d/environ" % new, "rb") as f:
            told += f.read().decode("latin-1")
        for secret in secrets:
            self.assertNotIn(secret, told.lower())
        self.assertTrue(procs.alive(new))


if __name__ == "__main__":
    main()
