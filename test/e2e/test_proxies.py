"""The admin behind real proxies on the same machine: no stranger's request is obeyed,
whatever Host it names; curl of the server's user goes on to work.  And who of them may
connect to a unix socket, over restarts."""
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import proxies  # noqa: E402
from case import Case, curl, eventually, main, program  # noqa: E402

TOKEN = "correct-horse-battery"
LOCAL = {"Host": "localhost"}


class Proxied(Case):
    token = None

    @classmethod
    def setUpClass(cls):
        env = {"MOLT_SERVER_ADMINTOKEN": cls.token} if cls.token else {}
        cls.srv = cls.shared_server(program("test/programs/app"), env=env)
        cls.target = "127.0.0.1:%d" % cls.srv.port

    def obeys_nothing(self, front, reason, headers=LOCAL):
        """Neither reading nor acting, by GET and POST; and the refusal says what to do."""
        for action, method in (("status", "GET"), ("restart", "POST"), ("restart", "GET"),
                               ("shutdown", "POST"), ("rollback", "POST"), ("reopen", "POST")):
            answer = self.admin(front, action, method, headers=headers)
            self.assertEqual(answer.status, 403, answer)
            self.assertIn(reason, answer.json["reason"])
            self.assertIn("set a token", answer.json["reason"])
        self.assertEqual(self.serving_pid(self.srv), self.srv.pid)
        # The proxy works, and the user of the server is let in.
        self.assertEqual(self.serving_pid(front), self.srv.pid)
        self.assertEqual(self.admin(self.srv, "status", "GET").status, 200)


class OfAnotherUser(Proxied):
    def setUp(self):
        proxies.need_other_user()

    def test_nginx_with_nothing_but_proxy_pass(self):
        front = proxies.nginx(self, self.target, other_user=True)
        # Its default version gives it away already; any stranger's Host becomes ours.
        self.obeys_nothing(front, "HTTP/1.0", {"Host": "www.example.com"})

    def test_nginx_by_http_1_1(self):
        front = proxies.nginx(self, self.target, "proxy_http_version 1.1;", other_user=True)
        self.obeys_nothing(front, "another user", {"Host": "www.example.com"})

    def test_nginx_that_passes_the_host_on(self):
        front = proxies.nginx(self, self.target,
                              "proxy_http_version 1.1; proxy_set_header Host $host;",
                              other_user=True)
        self.obeys_nothing(front, "another user")

    def test_haproxy(self):
        self.obeys_nothing(proxies.haproxy(self, self.target, other_user=True), "another user")


class OfTheSameUser(Proxied):
    """Told by its version or its fields alone; without either a token is needed."""

    def test_nginx_with_nothing_but_proxy_pass(self):
        self.obeys_nothing(proxies.nginx(self, self.target), "HTTP/1.0")

    def test_nginx_with_the_usual_fields(self):
        for line in ("X-Real-IP $remote_addr", "X-Forwarded-For $proxy_add_x_forwarded_for",
                     "X-Forwarded-Proto $scheme", "Forwarded for=x", "Via x"):
            front = proxies.nginx(self, self.target, "proxy_http_version 1.1; "
                                  "proxy_set_header Host $host; proxy_set_header %s;" % line)
            self.obeys_nothing(front, "a proxy has handed")

    def test_haproxy_with_the_usual_field(self):
        self.obeys_nothing(proxies.haproxy(self, self.target, "option forwardfor"),
                           "a proxy has handed")


class WithToken(Proxied):
    token = TOKEN

    def test_it_is_asked_for_behind_any_proxy_and_lets_in(self):
        for start in (proxies.nginx, proxies.haproxy):
            front = start(self, self.target)
            self.assertEqual(self.admin(front, "shutdown", headers=LOCAL).status, 401)
            answer = self.admin(front, "status", "GET", headers={
                "Host": "localhost", "Authorization": "Bearer " + TOKEN})
            self.assertEqual(answer.status, 200)

    def test_it_ends_the_loopback_rule(self):
        url = "http://%s/debug/admin/status" % self.target
        got = curl("-w", "%{http_code}", url).stdout
        self.assertTrue(got.endswith(b"401"), got)
        self.assertIn(b"a token is set; send it", got)


class BeforeAUnixSocket(Case):
    """A program that listens at unix:/path, and proxies of another user before it."""

    def setUp(self):
        proxies.need_other_user()
        self.dir = self.directory()
        os.chmod(self.dir, 0o711)
        self.sock = os.path.join(self.dir, "app.sock")

    def fronts(self, **keys):
        env = {"MOLT_SERVER_" + k.upper(): v for k, v in keys.items()}
        self.srv = self.server(program("test/programs/app"), address="unix:" + self.sock, env=env)
        return (proxies.nginx(self, "unix:" + self.sock, "proxy_http_version 1.1;",
                              other_user=True),
                proxies.haproxy(self, "unix@" + self.sock, other_user=True))

    def answers(self, *statuses, **keys):
        for front, status in zip(self.fronts(**keys), statuses):
            self.assertEqual(self.fetch(front, "/build").status, status)

    def test_as_it_is_any_proxy_may_connect(self):
        self.answers(200, 200)

    def test_a_proxy_of_the_group_may_connect(self):
        self.answers(200, 200, unixMode="0660", unixGroup="nogroup")

    def test_a_proxy_of_another_group_may_not(self):
        self.answers(502, 503, unixMode="0660", unixGroup="daemon")

    def test_no_request_fails_over_restarts(self):
        fronts = self.fronts(unixMode="0660", unixGroup="nogroup")
        ended, answered, pids = threading.Event(), [], set()

        def ask(front):
            while not ended.is_set():
                answer = self.fetch(front, "/pid")
                answered.append(answer.status)
                pids.add(answer.body)

        threads = [threading.Thread(target=ask, args=(f,)) for f in fronts for _ in range(2)]
        for t in threads:
            t.start()
        try:
            for n in range(3):
                # Each generation answers behind the proxies before the next one comes.
                self.assertTrue(eventually(lambda: len(pids) > n, 20), (n, pids))
                answer = self.fetch(self.sock, "/debug/admin/restart", "POST", body=b"")
                self.assertEqual(answer.status, 200, answer)
            self.assertTrue(eventually(lambda: len(pids) > 3, 20), pids)
        finally:
            ended.set()
            for t in threads:
                t.join()
        self.assertEqual(set(answered), {200}, len(answered))
        print("%d requests through nginx and HAProxy over 3 restarts, 0 failed" % len(answered),
              flush=True)


if __name__ == "__main__":
    main()
