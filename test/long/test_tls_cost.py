"""What HTTPS costs: CPU time of the record layer beside OpenSSL's, and memory of idle
connections beside nginx's, each pair in one run."""
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "restart")]
import certs  # noqa: E402
from case import SLOW, eventually, main, program  # noqa: E402
from rawhttp import unverified_context  # noqa: E402
from release import RestartCase, free_ports  # noqa: E402

IDLE = 4000
NGINX = """daemon off; pid %(dir)s/pid; error_log %(dir)s/error; worker_processes 1;
events { worker_connections 10000; }
http { access_log off; keepalive_timeout 1h; server { listen 127.0.0.1:%(port)d ssl;
ssl_certificate %(crt)s; ssl_certificate_key %(key)s; location / { return 200 ok; } } }
"""


class Cpu(unittest.TestCase):
    def test_records_cost_no_more_than_openssl(self):
        text = subprocess.check_output([program("test/unit/tls_cost")], text=True)
        print(text, end="", flush=True)
        lines = [line.split() for line in text.splitlines()]
        self.assertEqual(len(lines), 18)
        for suite, what, _, _, ratio in lines:
            self.assertLessEqual(float(ratio), 1.05, (suite, what))


def memory(pid):
    """Private memory of a process, in bytes."""
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return sum(int(line.split()[1]) * 1024 for line in f if line.startswith("Private_"))


class Memory(RestartCase):
    def setUp(self):
        super().setUp()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        self.crt, self.key = certs.make(self.dir)
        self.context = unverified_context()

    def crowd(self, port, n):
        conns = []
        for _ in range(n):
            conn = self.context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
            conn.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            conn.recv(4096)
            conns.append(conn)
        time.sleep(0.5)
        return conns

    def each(self, port, pid):
        """Bytes for each further idle connection, once the process is warm."""
        first = self.crowd(port, 500)
        before = memory(pid)
        more = self.crowd(port, IDLE)
        used = (memory(pid) - before) / IDLE
        for conn in first + more:
            conn.close()
        return used

    def molt(self, shed):
        self.put("1")
        srv = self.server(self.path("app"), env={
            "MOLT_SERVER_HTTPSCERTPATH": self.crt, "MOLT_SERVER_HTTPSKEYPATH": self.key,
            "MOLT_SERVER_TLSSHED": shed, "MOLT_SERVER_IDLETIMEOUT": "1h", "MOLT_SERVER_LOOPS": "1"})
        return self.each(srv.port, srv.pid)

    def nginx(self):
        port = free_ports(1)[0]
        conf = self.write("nginx.conf", NGINX % {"dir": self.dir, "port": port, "crt": self.crt,
                                                 "key": self.key})
        proc = subprocess.Popen(["nginx", "-c", conf], stderr=subprocess.DEVNULL)
        self.addCleanup(proc.wait)
        self.addCleanup(proc.terminate)

        def worker():
            with open("/proc/%d/task/%d/children" % (proc.pid, proc.pid)) as f:
                return f.read().split()
        pid = int(eventually(worker, 5)[0])

        def listens():
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return True
            except ConnectionRefusedError:
                return False
        self.assertTrue(eventually(listens, 5 * SLOW))
        return self.each(port, pid)

    def test_an_idle_connection_that_has_shed_openssl_is_small(self):
        shed, kept = self.molt("true"), self.molt("false")
        print("an idle HTTPS connection: %.0f bytes with tlsShed, %.0f without" % (shed, kept),
              flush=True)
        self.assertLessEqual(shed, 2048)

    @unittest.skipUnless(shutil.which("nginx"), "nginx is not installed")
    def test_and_smaller_than_one_of_nginx(self):
        shed, other = self.molt("true"), self.nginx()
        print("an idle HTTPS connection: %.0f bytes with tlsShed, %.0f in nginx" % (shed, other),
              flush=True)
        self.assertLess(shed, other)


if __name__ == "__main__":
    main()
