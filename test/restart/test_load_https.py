"""Load through restarts over HTTPS: strict clients, not one request may fail."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
from case import main  # noqa: E402
from loadcase import LoadCase  # noqa: E402


class Https(LoadCase):
    def through_tls(self, mode, more=(), **kw):
        crt, key = certs.make(self.dir)
        self.through_restarts(mode, tls=True, env={
            "MOLT_SERVER_HTTPSCERTPATH": crt, "MOLT_SERVER_HTTPSKEYPATH": key,
            **dict(more)}, **kw)

    def test_reused_connections(self):
        self.through_tls("reused", mix="get,post")

    def test_new_connections(self):
        self.through_tls("new", clients=16, mix="get,post")

    def test_pausing_clients(self):
        self.through_tls("pausing", clients=48, mix="get,post")

    def test_each_suite(self):
        """Its first move is OpenSSL's or that of our own records."""
        for suite in certs.SUITES + ("TLSv1.2",):
            print(suite, end=" ")
            for shed in ("true", "false"):
                self.through_tls(
                    "reused", clients=16, mix="get,post", restarts=2,
                    more={"MOLT_SERVER_TLSSHED": shed},
                    client_env={"OPENSSL_CONF": certs.client_conf(self.dir, suite)})

    def test_bodies_of_every_kind(self):
        self.through_tls("pausing", clients=32, mix="get,post,chunked,split,slow")


if __name__ == "__main__":
    main()
