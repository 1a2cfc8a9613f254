"""GnuTLS, Node and Chromium keep their HTTPS connection through restarts.  curl,
openssl and Python are in test/restart/test_tls.py."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "restart")]
from browser import Browser  # noqa: E402
from case import eventually, main, needs  # noqa: E402
from talker import Talker  # noqa: E402
from test_tls import TlsCase  # noqa: E402

RESTARTS = 10

NODE = """
const https = require('https');
const agent = new https.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
require('readline').createInterface({ input: process.stdin }).on('line', () => {
  const req = https.get({ port: +process.argv[1], host: '127.0.0.1', path: '/pid', agent }, res => {
    let text = '';
    res.on('data', d => text += d);
    res.on('end', () => console.log('pid ' + text.trim() + ' reused ' + req.reusedSocket));
  });
  req.on('error', e => console.log('failed ' + e.message));
});
"""


class Others(TlsCase):
    def talker(self, argv):
        t = Talker(argv)
        self.addCleanup(t.close)
        return t

    @needs("gnutls-cli")
    def test_gnutls(self):
        for priority in ("NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2"):
            srv = self.app()
            t = self.talker(["gnutls-cli", "--no-ca-verification", "--priority", priority,
                             "-p", str(srv.port), "127.0.0.1"])
            t.wait("Handshake was completed")
            for _ in range(RESTARTS):
                since = len(t.text)
                t.say("GET /id?id=mark HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertEqual(int(t.wait(r"mark (\d+) \d+\n", since).group(1)), srv.pid)
                self.restarted(srv)
            print("gnutls-cli, %s: one connection, %d restarts" % (priority, RESTARTS), flush=True)
            t.close()

    @needs("gnutls-cli")
    def test_gnutls_with_small_records(self):
        for version in ("1.2", "1.3"):
            srv = self.app()
            t = self.talker(["gnutls-cli", "--no-ca-verification", "--recordsize", "512",
                             "--priority", "NORMAL:-VERS-ALL:+VERS-TLS" + version,
                             "-p", str(srv.port), "127.0.0.1"])
            t.wait("Handshake was completed")
            for _ in range(RESTARTS):
                for _ in range(2):
                    since = len(t.text)
                    t.say("GET /big?n=20000 HTTP/1.1\r\nHost: a\r\n\r\n"
                          "GET /id?id=mark HTTP/1.1\r\nHost: a\r\n\r\n")
                    self.assertEqual(int(t.wait(r"mark (\d+) \d+\n", since).group(1)), srv.pid)
                self.restarted(srv)
            print("gnutls-cli, TLS %s, records of 512: one connection, %d restarts"
                  % (version, RESTARTS), flush=True)
            t.close()

    @needs("node")
    def test_node(self):
        srv = self.app()
        t = self.talker(["node", "-e", NODE, str(srv.port)])
        for i in range(RESTARTS):
            since = len(t.text)
            t.say("next\n")
            found = t.wait(r"pid (\d+) reused (\w+)\n", since)
            self.assertEqual((int(found.group(1)), found.group(2)),
                             (srv.pid, "true" if i else "false"))
            self.restarted(srv)
        print("node: one connection, %d restarts" % RESTARTS, flush=True)


class Chromium(TlsCase):
    @needs("chromium")
    def test_chromium(self):
        srv = self.app()
        b = Browser(self.directory(), "https://127.0.0.1:%d/pid" % srv.port)
        self.addCleanup(b.close)
        self.assertTrue(eventually(lambda: b.evaluate("location.protocol") == "https:", 10))
        fetch = "fetch('/pid', {cache: 'no-store'}).then(r => r.text())"
        self.assertEqual(b.evaluate(fetch), "%d\n" % srv.pid)
        before, mine = self.opened(srv), 0
        for _ in range(RESTARTS):
            new = self.restarted(srv)
            mine += 2  # the order, and the look at who serves
            self.assertEqual(b.evaluate(fetch), "%d\n" % new)
        anew = self.opened(srv) - before - mine - 1
        print("chromium: %d connections opened anew in %d restarts" % (anew, RESTARTS), flush=True)
        self.assertEqual(anew, 0)


if __name__ == "__main__":
    main()
