"""The admin page and its API: what they show, and whom they let in."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import Case, main, program  # noqa: E402

TOKEN = "correct-horse-battery"


class Admin(Case):
    @classmethod
    def setUpClass(cls):
        cls.srv = cls.shared_server(program("test/programs/app"))
        cls.first = cls.srv.pid

    def host(self):
        return "127.0.0.1:%d" % self.srv.port

    def refused(self, action="restart", statuses=(401, 403), **kw):
        """Refused with a reason and a log line, and nothing happens."""
        since = self.srv.mark()
        answer = self.admin(self.srv, action, **kw)
        self.assertIn(answer.status, statuses, answer)
        self.assertTrue(answer.body.strip(), "no reason")
        self.srv.wait_log(r"\[WARN\].*admin", since=since)
        self.assertEqual(self.serving_pid(self.srv), self.first)
        return answer


class Page(Admin):
    def test_the_page_shows_the_process(self):
        answer = self.fetch(self.srv, "/debug/admin")
        self.assertEqual(answer.status, 200)
        self.assertIn("text/html", answer.get("content-type"))
        page = answer.body.decode()
        for text in (str(self.first), os.path.realpath(program("test/programs/app")),
                     "127.0.0.1:%d" % self.srv.port):
            self.assertIn(text, page)
        self.assertRegex(page, "(?i)restart")
        self.assertRegex(page, "(?i)shutdown|shut down")

    def test_the_page_needs_nothing_from_elsewhere(self):
        answer = self.fetch(self.srv, "/debug/admin")
        self.assertNotRegex(answer.body.decode(), r'(?:src|href)="?(?:https?:)?//')
        self.assertIn("default-src 'none'", answer.get("content-security-policy"))
        self.assertEqual(answer.get("x-frame-options"), "DENY")
        self.assertEqual(answer.get("cache-control"), "no-store")

    def test_the_page_with_a_slash_behind_it(self):
        answer = self.fetch(self.srv, "/debug/admin/")
        self.assertIn(answer.status, (200, 301, 302, 307, 308))

    def test_the_state_as_json(self):
        answer = self.admin(self.srv, "status", "GET")
        self.assertEqual(answer.status, 200)
        self.assertIn("application/json", answer.get("content-type"))
        state = answer.json
        self.assertEqual(state["pid"], self.first)
        self.assertEqual(state["generation"], 1)
        self.assertEqual(state["state"], "serving")
        self.assertEqual(state["exe"], os.path.realpath(program("test/programs/app")))
        self.assertEqual(state["servers"][0]["listeners"][0]["bound"], self.host())
        self.assertGreaterEqual(state["uptime_ms"], 0)
        self.assertIsInstance(state["receipts"], list)

    def test_unknown_actions_get_404(self):
        self.assertEqual(self.admin(self.srv, "explode").status, 404)


class Guard(Admin):
    def test_another_host_is_refused(self):
        # A page from elsewhere may give its own name the address 127.0.0.1.
        for host in ("evil.example", "evil.example:%d" % self.srv.port, "127.0.0.1.evil.example",
                     "localhost.evil.example", "10.0.0.1", "2130706433"):
            self.refused(headers={"Host": host})
            self.assertIn(self.fetch(self.srv, "/debug/admin", headers={"Host": host}).status,
                          (401, 403))
            self.assertIn(self.admin(self.srv, "status", "GET", headers={"Host": host}).status,
                          (401, 403))

    def test_loopback_hosts_are_let_in(self):
        for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "127.1.2.3:80", "[::1]:80"):
            answer = self.admin(self.srv, "status", "GET", headers={"Host": host})
            self.assertEqual(answer.status, 200, host)

    def test_cross_site_requests_are_refused(self):
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"},
                        {"Origin": "http://127.0.0.1:1"}, {"Sec-Fetch-Site": "cross-site"},
                        {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "nonsense"},
                        {"Origin": "http://%s" % self.host(), "Sec-Fetch-Site": "cross-site"}):
            for method in ("GET", "POST"):
                for action in ("restart", "reload", "shutdown"):
                    self.refused(action, method=method, headers=headers)

    def test_a_get_that_nobody_meant_is_refused(self):
        for headers in ({"Referer": "http://evil.example/x"}, {"Sec-Purpose": "prefetch"},
                        {"Purpose": "prefetch"}, {"Cookie": "a=b"}):
            self.refused(method="GET", headers=headers)

    def test_other_methods_do_nothing(self):
        for method in ("HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"):
            answer = self.admin(self.srv, "shutdown", method)
            self.assertIn(answer.status, (200, 204, 405) if method == "OPTIONS" else (405,))
            self.assertEqual(self.serving_pid(self.srv), self.first)

    def test_no_field_of_a_client_reaches_it(self):
        for headers in ({"x-url-path": "/debug/admin/shutdown"},
                        {"X-Original-URL": "/debug/admin/shutdown"},
                        {"X-HTTP-Method-Override": "POST"}):
            self.fetch(self.srv, "/", headers=headers)
            self.assertEqual(self.serving_pid(self.srv), self.first)

    def test_forwarded_addresses_are_not_believed(self):
        for headers in ({"Host": "evil", "X-Forwarded-For": "127.0.0.1"},
                        {"Host": "evil", "X-Forwarded-Host": "127.0.0.1"},
                        {"Host": "evil", "Forwarded": "for=127.0.0.1;host=localhost"}):
            self.refused(headers=headers)

    def test_paths_around_the_guard(self):
        for path in ("//debug/admin/shutdown", "/debug/./admin/shutdown",
                     "/x/../debug/admin/shutdown", "/debug/admin/%73hutdown"):
            answer = self.fetch(self.srv, path, "POST", {"Host": "evil.example"}, b"")
            self.assertGreaterEqual(answer.status, 400, path)
        self.assertEqual(self.serving_pid(self.srv), self.first)


class Programs(Admin):
    def copy(self, directory, name="app", mode=0o755):
        path = os.path.join(directory, name)
        shutil.copy(program("test/programs/app"), path)
        os.chmod(path, mode)
        return path

    def test_a_program_elsewhere_is_refused(self):
        for path in ("/bin/sh", "/bin/true", "/bin/false", self.copy(self.directory())):
            self.refused(query="?newExeFilePath=" + path, statuses=(400, 403, 422))

    def test_a_path_that_leads_out_is_refused(self):
        own = os.path.dirname(program("test/programs/app"))
        self.refused(query="?newExeFilePath=%s/../../../../../../../bin/true" % own,
                     statuses=(400, 403, 404, 422))
        link = os.path.join(own, "link-out-%d" % os.getpid())
        os.symlink("/bin/true", link)
        self.addCleanup(os.unlink, link)
        self.refused(query="?newExeFilePath=" + link, statuses=(400, 403, 422))

    def test_a_file_that_others_may_write_is_refused(self):
        directory = self.directory()
        path = self.copy(directory)
        srv = self.server(path)
        self.copy(directory, "loose", 0o757)
        answer = self.admin(srv, "restart", query="?newExeFilePath=%s/loose" % directory)
        self.assertIn(answer.status, (403, 422), answer)
        self.assertEqual(self.serving_pid(srv), srv.pid)

    def test_without_exe_dirs_only_the_own_path_counts(self):
        directory = self.directory()
        path = self.copy(directory)
        other = self.copy(directory, "other")
        srv = self.server(path)
        answer = self.admin(srv, "restart", query="?newExeFilePath=" + other)
        self.assertEqual(answer.status, 403, answer)
        self.assertIn("exeDirs", answer.json["reason"])
        self.assertEqual(self.admin(srv, "restart", query="?newExeFilePath=" + path).status, 200)

    def test_what_a_chosen_program_prints_is_not_told(self):
        directory = self.directory()
        path = self.copy(directory)
        talk = os.path.join(directory, "talk")
        with open(talk, "w") as f:
            f.write("#!/bin/sh\necho root:secret >&2\nexit 1\n")
        os.chmod(talk, 0o755)
        srv = self.server(path, env={"MOLT_SERVER_EXEDIRS": directory})
        answer = self.admin(srv, "restart", query="?newExeFilePath=" + talk)
        self.assertEqual(answer.status, 502, answer)
        self.assertNotIn(b"root:secret", answer.body)
        self.assertNotIn(b"root:secret", self.admin(srv, "status", "GET").body)
        srv.wait_log("its last lines: root:secret")

    def test_a_missing_program_is_named(self):
        own = os.path.dirname(program("test/programs/app"))
        answer = self.refused(query="?newExeFilePath=%s/no-such" % own, statuses=(403,))
        self.assertIn(b"no-such", answer.body)

    def test_a_get_and_a_bad_path_change_nothing(self):
        self.refused(method="GET", query="?newExeFilePath=/bin/true", statuses=(400, 403, 422))

    def test_json_that_is_nested_900_levels_deep_is_refused(self):
        answer = self.admin(self.srv, "restart", headers=[("Content-Type", "application/json")],
                            body=b'{"x":' + b"[" * 900 + b"]" * 900 + b"}")
        self.assertEqual(answer.status, 400, answer)
        self.assertEqual(self.serving_pid(self.srv), self.first)


class Token(Case):
    @classmethod
    def setUpClass(cls):
        cls.srv = cls.shared_server(program("test/programs/app"),
                                    env={"MOLT_SERVER_ADMINTOKEN": TOKEN})

    def state(self, *fields):
        return self.admin(self.srv, "status", "GET", headers=list(fields)).status

    def test_the_token_lets_in_from_any_host(self):
        self.assertEqual(
            self.state(("Host", "a.example"), ("Authorization", "Bearer " + TOKEN)), 200)

    def test_a_wrong_token_is_refused_even_on_loopback(self):
        for wrong in ("Bearer wrong-horse-battery", "Bearer", "Bearer " + TOKEN + "x",
                      "Bearer " + TOKEN[:-1], "Basic " + TOKEN):
            self.assertEqual(
                self.state(("Host", "a.example"), ("Authorization", wrong)), 401, wrong)

    def test_the_token_does_not_help_a_page_from_elsewhere(self):
        self.assertEqual(self.state(("Authorization", "Bearer " + TOKEN),
                                    ("Sec-Fetch-Site", "cross-site")), 403)


class Actions(Case):
    def test_restart_and_reload_are_the_same_by_post_and_get(self):
        srv = self.server(program("test/programs/app"))
        pids = {srv.pid}
        for action, method in (("restart", "POST"), ("reload", "POST"), ("restart", "GET"),
                               ("reload", "GET")):
            answer = self.admin(srv, action, method)
            self.assertEqual(answer.status, 200, answer)
            self.assertIs(answer.json["ok"], True)
            self.assertEqual(answer.json["receipt"]["outcome"], "switched")
            new = self.serving_pid(srv)
            self.assertNotIn(new, pids)
            self.assertEqual(answer.json["receipt"]["successor_pid"], new)
            pids.add(new)

    def test_the_pages_own_buttons_work(self):
        srv = self.server(program("test/programs/app"))
        old = srv.pid
        host = "127.0.0.1:%d" % srv.port
        answer = self.admin(srv, "restart", headers={
            "Host": host, "Origin": "http://" + host, "Sec-Fetch-Site": "same-origin",
            "Referer": "http://%s/debug/admin" % host, "Accept": "text/html",
            "Cookie": "a=b", "Content-Length": "0"})
        self.assertEqual(answer.status, 200, answer)
        self.assertIn("text/html", answer.get("content-type"))
        self.assertNotEqual(self.serving_pid(srv), old)

    def test_a_browsers_get_shows_a_page_with_a_button(self):
        srv = self.server(program("test/programs/app"))
        for action in ("restart", "reload", "rollback", "shutdown"):
            answer = self.admin(srv, action, "GET", headers={
                "Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Site": "none"})
            self.assertEqual(answer.status, 200, answer)
            self.assertRegex(answer.body.decode(),
                             r'<form method="post" action="/debug/admin/%s">'
                             % action.replace("reload", "restart"))
        self.assertEqual(self.serving_pid(srv), srv.pid)

    def test_shutdown_ends_the_process_after_its_answer(self):
        for method in ("POST", "GET"):
            srv = self.server(program("test/programs/app"))
            answer = self.admin(srv, "shutdown", method)
            self.assertIn(answer.status, (200, 202), answer)
            self.assertEqual(srv.exit_code(5), 0)

    def test_without_graceful_a_restart_is_refused_with_the_reason(self):
        srv = self.server(program("test/programs/app"), env={"MOLT_SERVER_GRACEFUL": "false"})
        answer = self.admin(srv, "restart")
        self.assertGreaterEqual(answer.status, 400)
        self.assertIn(b"graceful", answer.body)
        self.assertEqual(self.serving_pid(srv), srv.pid)


if __name__ == "__main__":
    main()
