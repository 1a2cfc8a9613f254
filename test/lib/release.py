"""A directory of programs to restart into: copies of the test application and
of the program that fails in the way its name says."""
import os
import random
import shutil
import socket

from case import Case, eventually, program
from server import Server

BUILDS = {"1": "test/programs/app", "2": "test/programs/app2"}


def install(source, path, mode=0o755):
    """Puts a program at path the way an installer must: whole, then by rename."""
    shutil.copyfile(source, path + ".new")
    os.chmod(path + ".new", mode)
    os.rename(path + ".new", path)
    return path


def free_ports(n):
    """Ports below the ephemeral range that nobody has right now."""
    found = []
    while len(found) < n:
        port = random.randrange(15000, 30000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def wait_open(port):
    """Until a connection is accepted there, which is in the queue then: at the earliest
    moment in which a client can know of the server."""
    conn = []

    def connected():
        s = socket.socket()
        if s.connect_ex(("127.0.0.1", port)) == 0:
            conn.append(s)
        else:
            s.close()
        return conn
    if not eventually(connected, 10, 0.0005):
        raise AssertionError("nobody listens at %d" % port)
    return conn[0]


class RestartCase(Case):
    """A test that works in a directory of its own, with DIR/app as the program."""

    def setUp(self):
        self.dir = os.path.realpath(self.directory())

    def path(self, name):
        return os.path.join(self.dir, name)

    def put(self, build, name="app"):
        return install(program(BUILDS[build]), self.path(name))

    def put_bad(self, way):
        return install(program("test/programs/bad"), self.path(way))

    def write(self, name, text, mode=0o644):
        data = text.encode() if isinstance(text, str) else text
        with open(self.path(name), "wb") as f:
            f.write(data)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def newest_receipt(self, srv):
        """Of the restart that made the serving generation, or of one that it refused.  It
        comes to a successor a moment after the answer to who asked."""
        def there():
            status = self.status(srv)
            first = (status["receipts"] or [None])[0]
            return first if first and first["generation"] >= status["generation"] - 1 else None
        found = eventually(there, 3)
        self.assertTrue(found, self.status(srv)["receipts"])
        return found

    # The API may start what is in DIR.

    def server(self, argv, env=None, **kw):
        return super().server(argv, env={"MOLT_SERVER_EXEDIRS": self.dir, **(env or {})}, **kw)

    def spawned(self, argv, env=None, **kw):
        return super().spawned(argv, env={"MOLT_SERVER_EXEDIRS": self.dir, **(env or {})}, **kw)

    def app(self, *argv, env=None, **kw):
        """Starts DIR/app, build 1 unless it is there already."""
        if not os.path.exists(self.path("app")):
            self.put("1")
        return self.server([self.path("app"), *argv], env=env, **kw)

    def build(self, srv):
        return self.text(srv, "/build").strip()

    def status(self, srv):
        answer = self.admin(srv, "status", "GET")
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def restart_api(self, srv, exe=None, **kw):
        return self.admin(srv, "restart", query="?newExeFilePath=" + exe if exe else "", **kw)

    def restarted(self, srv, exe=None):
        """A good restart by the API; returns the new pid."""
        answer = self.restart_api(srv, exe)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["receipt"]["outcome"], "switched", answer.json)
        pid = self.serving_pid(srv)
        self.assertEqual(pid, answer.json["receipt"]["successor_pid"])
        if isinstance(srv, Server) and srv.generations():  # srv.pid goes by the log, which is written in its own time
            self.assertTrue(eventually(lambda: pid in srv.generations(), 10))
        return pid
