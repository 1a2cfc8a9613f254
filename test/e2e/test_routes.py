"""Routing, groups, middleware, error pages, as a client sees them."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import Case, main, program  # noqa: E402


class App(Case):
    @classmethod
    def setUpClass(cls):
        cls.srv = cls.shared_server(program("test/programs/app"))

    def gives(self, path, want, **kw):
        self.assertEqual(self.text(self.srv, path, **kw), want)


class Patterns(App):
    def test_literal_before_name_before_rest(self):
        self.gives("/users/ann", "user ann\n")
        self.gives("/users/me", "me\n")
        self.gives("/files/a/b/c", "file a/b/c\n")
        self.gives("/files/readme", "readme\n")
        self.gives("/files/x/info", "info x\n")

    def test_the_rest_may_be_empty(self):
        self.gives("/files/", "file \n")

    def test_a_name_is_one_segment_and_not_empty(self):
        self.assertEqual(self.fetch(self.srv, "/users/").status, 404)
        self.assertEqual(self.fetch(self.srv, "/users/a/b").status, 404)

    def test_two_names_in_a_segment(self):
        self.gives("/page/index.html", "index+html\n")

    def test_goframes_forms(self):
        self.gives("/goframe/john", "colon john\n")
        self.gives("/goframe/list/a/b", "star a/b\n")
        self.assertEqual(self.fetch(self.srv, "/goframe-post", "POST", body=b"").body,
                         b"goframe post\n")
        self.assertEqual(self.fetch(self.srv, "/goframe-post").status, 405)

    def test_a_method_before_none(self):
        self.gives("/both", "any method\n")
        self.assertEqual(self.fetch(self.srv, "/both", "DELETE").body, b"deleted\n")
        self.assertEqual(self.fetch(self.srv, "/both", "PATCH").body, b"any method\n")

    def test_a_host_before_none(self):
        self.gives("/where", "anywhere\n")
        self.gives("/where", "api host\n", headers={"Host": "api.example.com"})
        self.gives("/where", "api host\n", headers={"Host": "API.example.com:8080"})
        self.gives("/where", "anywhere\n", headers={"Host": "www.example.com"})

    def test_parameters_are_decoded(self):
        self.gives("/users/J%C3%BCrgen%20B", "user Jürgen B\n")

    def test_paths_are_case_sensitive(self):
        self.assertEqual(self.fetch(self.srv, "/Build").status, 404)

    def test_the_route_table_is_in_the_log(self):
        log = self.srv.log()
        for pattern in ("/users/{x}", "/only-get", "api.example.com"):
            self.assertIn(pattern, log)


class Groups(App):
    def test_middleware_is_nested_and_holds_for_earlier_routes(self):
        answer = self.fetch(self.srv, "/api/open")
        self.assertEqual((answer.status, answer.body), (200, b"(ann)"))
        self.assertEqual(answer.get("x-outer"), "1")

    def test_subgroups_run_the_middleware_of_their_parents_first(self):
        self.gives("/api/tenant/7/closed?token=ok", "([ann])")

    def test_middleware_can_end_the_chain(self):
        answer = self.fetch(self.srv, "/api/tenant/7/closed")
        self.assertEqual(answer.status, 401)
        self.assertNotIn(b"ann", answer.body)

    def test_other_routes_are_not_touched(self):
        self.assertIsNone(self.fetch(self.srv, "/build").get("x-outer"))

    def test_values_of_a_request_are_released_at_its_end(self):
        since = self.srv.mark()
        self.fetch(self.srv, "/api/open")
        self.srv.wait_log("released ann", since=since)

    def test_an_error_page_by_status_below_its_group(self):
        answer = self.fetch(self.srv, "/api/nothing")
        self.assertEqual((answer.status, answer.body), (404, b"no such thing: /api/nothing\n"))
        answer = self.fetch(self.srv, "/api/fail?status=404&why=x")
        self.assertEqual((answer.status, answer.body), (404, b"no such thing: /api/fail\n"))
        self.assertNotIn(b"no such thing", self.fetch(self.srv, "/nothing").body)

    def test_errors_without_a_page_have_a_default_one(self):
        answer = self.fetch(self.srv, "/fail?status=503&why=come%20back")
        self.assertEqual(answer.status, 503)
        self.assertIn(b"come back", answer.body)
        self.assertTrue(self.fetch(self.srv, "/nothing").body)

    def test_error_pages_escape_what_they_show(self):
        answer = self.fetch(self.srv, "/fail?status=500&why=%3Cscript%3E")
        if "html" in answer.get("content-type", ""):
            self.assertNotIn(b"<script>", answer.body)


if __name__ == "__main__":
    main()
