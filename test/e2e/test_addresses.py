"""Where a server listens: IPv4, IPv6, any port, several addresses, unix sockets,
and what is said when it cannot."""
import os
import socket
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import Case, curl, main, program  # noqa: E402


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


class Addresses(Case):
    def app(self, address, listeners=1):
        return self.server(program("test/programs/app"), address=address, listeners=listeners)

    def fails(self, address, pattern):
        srv = self.spawned(program("test/programs/app"), address=address)
        self.assertEqual(srv.exit_code(), 1, srv.log())
        self.assertRegex(srv.log(), pattern)

    def test_port_zero_is_any_free_port(self):
        srv = self.app("127.0.0.1:0")
        self.assertGreater(srv.port, 0)
        self.assertEqual(self.text(srv, "/build"), "1\n")

    def test_all_addresses(self):
        srv = self.app(":0")
        self.assertRegex(srv.listening()[0].address, r"^:\d+$")
        self.assertEqual(curl("http://127.0.0.1:%d/build" % srv.port).stdout, b"1\n")
        if has_ipv6():
            self.assertEqual(curl("-g", "http://[::1]:%d/build" % srv.port).stdout, b"1\n")

    def test_a_client_on_an_ipv4_mapped_address_is_told_as_ipv4(self):
        srv = self.app(":0")
        self.assertIn("ip=127.0.0.1\n", self.text(srv.port, "/show"))

    def test_ipv6_loopback(self):
        if not has_ipv6():
            self.skipTest("no IPv6 here")
        srv = self.app("[::1]:0")
        self.assertRegex(srv.listening()[0].address, r"^\[::1\]:\d+$")
        self.assertIn(b"ip=::1\n", curl("-g", "http://[::1]:%d/show" % srv.port).stdout)
        with self.assertRaises(ConnectionRefusedError):
            self.connect(srv.port)

    def test_several_addresses(self):
        srv = self.app("127.0.0.1:0,127.0.0.2:0", listeners=2)
        for line in srv.listening():
            self.assertEqual(curl("http://%s/build" % line.address).stdout, b"1\n")

    def test_a_unix_socket(self):
        path = os.path.join(self.directory(), "app.sock")
        srv = self.app("unix:" + path)
        self.assertTrue(stat.S_ISSOCK(os.stat(path).st_mode))
        done = curl("--unix-socket", path, "http://localhost/show")
        self.assertIn(b"ip=unix\n", done.stdout)
        conn = self.connect(path)
        self.assertEqual(conn.request("GET", "/build").body, b"1\n")
        srv.stop()
        self.assertFalse(os.path.exists(path), "the socket's file is left behind")

    def test_a_stale_unix_socket_is_replaced(self):
        path = os.path.join(self.directory(), "app.sock")
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path)
        self.app("unix:" + path)
        self.assertEqual(curl("--unix-socket", path, "http://localhost/build").stdout, b"1\n")

    def test_a_file_that_is_no_socket_is_not_removed(self):
        path = os.path.join(self.directory(), "precious")
        with open(path, "w") as f:
            f.write("precious")
        self.fails("unix:" + path, "precious")
        with open(path) as f:
            self.assertEqual(f.read(), "precious")

    def test_an_address_in_use_is_named(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            address = "127.0.0.1:%d" % s.getsockname()[1]
            self.fails(address, address.replace(".", r"\.") + ".*[Aa]ddress already in use")

    def test_one_address_in_use_of_two_is_an_error(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            self.fails("127.0.0.1:0,127.0.0.1:%d" % s.getsockname()[1], "already in use")

    def test_addresses_that_cannot_be_read_are_named(self):
        for address in ("nonsense", "127.0.0.1:99999", "127.0.0.1:-1", "[::1:80", "300.1.1.1:80",
                        "unix:", "127.0.0.1:80x"):
            self.fails(address, "MOLT_SERVER_ADDRESS|" + address.replace("[", r"\["))


if __name__ == "__main__":
    main()
