"""The walk-through of the three examples, step by step, as a new user does it."""
import http.client
import os
import re
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
import procs  # noqa: E402
from case import SLOW, Case, curl, main, program  # noqa: E402

STAMP = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} "


class Walk(Case):
    def fetched_later(self, *args):
        """curl in the background; result() waits for its output."""
        out = []
        thread = threading.Thread(target=lambda: out.append(curl(*args)))
        thread.start()

        def result():
            thread.join()
            return out[0]

        return result

    def line(self, srv, pattern, **kw):
        return srv.wait_log(STAMP + pattern + "$", **kw)


class Example1(Walk):
    def start(self):
        return self.server(program("examples/01_basic"))

    def test_the_pages(self):
        srv = self.start()
        url = "http://127.0.0.1:%d" % srv.port
        self.assertEqual(curl(url + "/").stdout, b"Hello!\n")
        self.assertEqual(curl(url + "/pid").stdout, b"%d\n" % srv.pid)
        page = curl(url + "/debug/admin").stdout
        self.assertIn(b"%d" % srv.pid, page)
        self.line(srv, r"%d: http server started listening on \[127\.0\.0\.1:%d\]"
                  % (srv.pid, srv.port))

    def test_a_restart_while_sleep_runs(self):
        srv = self.start()
        old, url = srv.pid, "http://127.0.0.1:%d" % srv.port
        sleeping = self.fetched_later(url + "/sleep")
        self.wait_running(srv, 1)
        start = time.monotonic()
        clicked = curl("-H", "Sec-Fetch-Site: same-origin", "-H", "Referer: %s/debug/admin" % url,
                       url + "/debug/admin/restart")
        self.assertEqual(clicked.returncode, 0, clicked.stderr)
        new = int(curl(url + "/pid").stdout)
        self.assertNotEqual(new, old)
        self.assertLess(time.monotonic() - start, 3 * SLOW, "the restart took long")
        self.assertTrue(procs.alive(old), "the old process left while /sleep runs")
        self.assertEqual(int(curl(url + "/pid").stdout), new)
        done = sleeping()
        self.assertEqual((done.returncode, done.stdout), (0, b"%d\n%d\n" % (old, old)))
        self.assertTrue(procs.wait_gone(old, 3 * SLOW), "the old process stays")
        self.assertEqual(srv.exit_code(), 0)
        self.line(srv, r"%d: server reloading" % old)
        self.line(srv, r"%d: all servers shutdown" % old)
        self.line(srv, r"%d: http server restarted listening on \[127\.0\.0\.1:%d\]"
                  % (new, srv.port))

    def test_without_a_port_override_it_is_8199(self):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("0.0.0.0", 8199))
            except OSError:
                self.skipTest("port 8199 is in use")
        srv = self.server(program("examples/01_basic"), address=None)
        self.line(srv, r"\d+: http server started listening on \[:8199\]")
        self.assertEqual(curl("http://127.0.0.1:8199/").stdout, b"Hello!\n")

    def test_restart_by_command_line(self):
        srv = self.start()
        old = srv.pid
        new = srv.restart(signal.SIGUSR1)
        self.assertEqual(self.serving_pid(srv), new)
        self.assertTrue(procs.wait_gone(old, 5 * SLOW))


class Example2(Walk):
    def start(self, directory):
        crt, key = certs.make(directory)
        return self.server([program("examples/02_https"), crt, key])

    def test_restart_and_shutdown_over_https(self):
        srv = self.start(self.directory())
        old, url = srv.pid, "https://127.0.0.1:%d" % srv.port
        self.line(srv, r"%d: https server started listening on \[127\.0\.0\.1:%d\]"
                  % (old, srv.port))
        self.assertEqual(curl("-k", url + "/").stdout, b"Hello!\n")
        self.assertEqual(curl("-k", "-f", url + "/debug/admin/restart").returncode, 0)
        self.line(srv, r"%d: server reloading" % old)
        new = int(self.line(srv, r"(\d+): https server restarted listening on \[.*\]").group(1))
        self.assertNotEqual(new, old)
        self.assertEqual(curl("-k", url + "/").stdout, b"Hello!\n")
        self.assertTrue(procs.wait_gone(old, 5 * SLOW))
        self.assertEqual(curl("-k", "-f", url + "/debug/admin/shutdown").returncode, 0)
        self.line(srv, r"%d: server shutting down" % new)
        self.line(srv, r"%d: all servers shutdown" % new)
        self.assertTrue(srv.wait_empty(5))

    def test_the_new_program_reads_the_certificate_again(self):
        directory = self.directory()
        srv = self.start(directory)

        def subject():
            import ssl
            pem = ssl.get_server_certificate(("127.0.0.1", srv.port))
            return ssl.PEM_cert_to_DER_cert(pem)

        before = subject()
        certs.make(directory)  # over the old files
        self.assertEqual(subject(), before)
        srv.restart()
        self.assertNotEqual(subject(), before)

    def test_a_broken_new_certificate_refuses_the_restart(self):
        directory = self.directory()
        srv = self.start(directory)
        old = srv.pid
        with open(os.path.join(directory, "server.crt"), "w") as f:
            f.write("broken")
        answer = self.admin(srv, "restart", tls=True)
        self.assertGreaterEqual(answer.status, 400, answer)
        self.assertIn(b"server.crt", answer.body)
        self.assertEqual(srv.pid, old)
        self.assertEqual(self.fetch(srv, "/", tls=True).body, b"Hello!\n")
        certs.make(directory)
        self.assertEqual(self.admin(srv, "restart", tls=True).status, 200)


class Example3(Walk):
    def start(self):
        return self.server(program("examples/03_multi"), address=None, listeners=4, env={
            "MOLT_SERVER_S1_ADDRESS": "127.0.0.1:0,127.0.0.2:0",
            "MOLT_SERVER_S2_ADDRESS": "127.0.0.3:0,127.0.0.4:0"})

    def pid_at(self, address):
        answer = curl("http://%s/debug/admin/status" % address)
        found = re.search(rb'"pid": ?(\d+)', answer.stdout)
        self.assertIsNotNone(found, answer)
        return int(found.group(1))

    def test_reload_moves_all_listeners_and_shutdown_ends_everything(self):
        srv = self.start()
        old = srv.pid
        addresses = sorted(line.address for line in srv.listening())
        self.assertEqual(len(addresses), 4)
        for address in addresses:
            self.assertEqual(self.pid_at(address), old)
        since = srv.mark()
        done = curl("-f", "http://%s/debug/admin/reload" % addresses[0])
        self.assertEqual(done.returncode, 0, done)
        lines = srv.wait_listening(4, since=since, not_pid=old)
        self.assertEqual(sorted(line.address for line in lines), addresses)
        self.assertEqual({line.verb for line in lines}, {"restarted"})
        new = lines[0].pid
        for address in addresses:
            self.assertEqual(self.pid_at(address), new)
        self.assertTrue(procs.wait_gone(old, 5 * SLOW))
        done = curl("-f", "http://%s/debug/admin/shutdown" % addresses[0])
        self.assertEqual(done.returncode, 0, done)
        self.assertTrue(srv.wait_empty(5), "somebody stays")
        for address in addresses:
            host, port = address.split(":")
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection((host, int(port)), 2)
        self.line(srv, r"%d: server shutting down" % new)
        self.line(srv, r"%d: all servers shutdown" % new)

    def test_a_server_that_cannot_start_ends_the_program(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            srv = self.spawned(program("examples/03_multi"), address=None, env={
                "MOLT_SERVER_S1_ADDRESS": "127.0.0.1:%d" % taken.getsockname()[1],
                "MOLT_SERVER_S2_ADDRESS": "127.0.0.1:0"})
            self.assertEqual(srv.exit_code(), 1)
        self.assertIn("server s1 cannot start", srv.log())

    def test_one_server_that_cannot_start_refuses_the_restart_of_both(self):
        directory = self.directory()
        crt, key = certs.make(directory)
        srv = self.server(program("examples/03_multi"), address=None, listeners=2, env={
            "MOLT_SERVER_S1_ADDRESS": "127.0.0.1:0", "MOLT_SERVER_S1_HTTPSCERTPATH": crt,
            "MOLT_SERVER_S1_HTTPSKEYPATH": key, "MOLT_SERVER_S2_ADDRESS": "127.0.0.1:0"})
        old, plain = srv.pid, srv.listening()[1].address
        with open(crt, "w") as f:
            f.write("broken")
        done = curl("http://%s/debug/admin/restart" % plain)
        self.assertIn(b'"ok":false', done.stdout)
        self.assertIn(b"server.crt", done.stdout)
        self.assertEqual(self.pid_at(plain), old)
        certs.make(directory)
        self.assertIn(b'"ok":true', curl("http://%s/debug/admin/restart" % plain).stdout)
        self.assertNotEqual(self.pid_at(plain), old)

    def test_two_servers_on_the_configured_ports(self):
        for port in (8100, 8200, 8300, 8400):
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    s.bind(("0.0.0.0", port))
                except OSError:
                    self.skipTest("port %d is in use" % port)
        srv = self.server(program("examples/03_multi"), address=None, listeners=4)
        self.assertEqual(sorted(srv.ports), [8100, 8200, 8300, 8400])


class State(Walk):
    def test_a_table_outlives_its_program(self):
        srv = self.server(program("examples/state"))
        first = srv.pid
        self.assertEqual(self.text(srv, "/square/7"), "49, computed\n")
        self.assertEqual(self.text(srv, "/square/7"), "49, known\n")
        self.assertEqual(self.fetch(srv, "/square/x").status, 404)
        answer = self.admin(srv, "restart")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["receipt"]["state"]["taken"], 1)
        srv.wait_listening(not_pid=first)
        self.assertEqual(self.text(srv, "/square/7"), "49, known\n")
        self.assertEqual(self.text(srv, "/visits"), "3\n")


class Demo(Walk):
    @classmethod
    def setUpClass(cls):
        cls.srv = cls.shared_server(program("examples/demo"))
        cls.url = "http://127.0.0.1:%d" % cls.srv.port

    def test_its_pages(self):
        self.assertEqual(curl(self.url + "/").stdout, b"Hello!\n")
        self.assertEqual(curl(self.url + "/pid").stdout, b"%d\n" % self.srv.pid)
        self.assertEqual(curl(self.url + "/sleep?s=1").stdout, b"%d\n" % self.srv.pid * 2)
        self.assertEqual(curl("-d", "some text", self.url + "/echo").stdout, b"some text")
        self.assertEqual(curl(self.url + "/static/hello.txt").stdout, b"Hello from a file.\n")
        self.assertIn(b"Files of the demo", curl(self.url + "/static/").stdout)
        self.assertEqual(curl("-o", "/dev/null", "-w", "%{http_code}", self.url + "/echo").stdout,
                         b"405")
        done = curl("-d", "@" + os.path.abspath(__file__), self.url + "/echo")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_sleep_steps_begins_in_one_process_and_ends_in_the_next(self):
        for query in ("s=2", "s=2&stream=1"):
            old = self.srv.pid
            waiting = self.fetched_later(self.url + "/sleep-steps?" + query)
            self.wait_running(self.srv, 1)
            new = self.srv.restart()
            self.assertEqual(waiting().stdout, b"%d\n%d\n" % (old, new))

    def test_the_stream_comes_line_by_line(self):
        conn = http.client.HTTPConnection("127.0.0.1", self.srv.port, timeout=20)
        conn.request("GET", "/stream?n=3")
        answer = conn.getresponse()
        start = time.monotonic()
        self.assertEqual(answer.getheader("Transfer-Encoding"), "chunked")
        self.assertEqual(answer.readline(), b"%d 1\n" % self.srv.pid)
        rest = time.monotonic()
        self.assertEqual(len(answer.read().splitlines()), 2)
        # The first line was there before the second was written, a second later.
        self.assertGreater(time.monotonic() - start, 1.5)
        self.assertGreater(time.monotonic() - rest, 0.5)
        conn.close()


if __name__ == "__main__":
    main()
