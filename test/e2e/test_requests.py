"""What handlers read from requests and write into answers: query, forms, files,
cookies, fields, redirects, JSON."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import Case, curl, main, program  # noqa: E402

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class App(Case):
    @classmethod
    def setUpClass(cls):
        cls.srv = cls.shared_server(program("test/programs/app"))
        cls.url = "http://127.0.0.1:%d" % cls.srv.port


class Reading(App):
    def test_query_values_are_decoded_and_the_first_counts(self):
        body = self.text(self.srv, "/show?name=x&value=a%20b+c%26&value=2")
        self.assertIn("query=a b c&\n", body)

    def test_fields_are_found_in_any_case_and_joined(self):
        body = self.text(self.srv, "/show?name=x-list", headers=[("X-List", "a"), ("x-lisT", "b")])
        self.assertIn("header=a, b\n", body)

    def test_cookies_are_read(self):
        body = self.text(self.srv, "/show?name=c", headers=[("Cookie", "a=1; c=2; cc=3")])
        self.assertIn("cookie=2\n", body)

    def test_many_query_values(self):
        query = "&".join("a%d=1" % i for i in range(1500))
        answer = self.fetch(self.srv, "/show?name=x&" + query[:7000])
        self.assertEqual(answer.status, 200)

    def test_an_urlencoded_form(self):
        answer = self.fetch(self.srv, "/form", "POST", FORM, b"a=1+2&b=%C3%A4&a=3")
        self.assertEqual(answer.body.decode(), "a=1 2 b=ä\n")

    def test_a_broken_form_harms_nothing(self):
        for body in (b"a=%zz&b=%", b"&&&=&", b"a", b"a\0=b&b=1", b"%00=1", b"a=" + b"%41" * 5000):
            answer = self.fetch(self.srv, "/form", "POST", FORM, body)
            self.assertEqual(answer.status, 200, body[:20])

    def test_a_nul_in_a_value_that_is_read_as_a_text_is_a_400(self):
        for body in (b"a=\0b&b=1", b"a=1&b=x%00"):
            self.assertEqual(self.fetch(self.srv, "/form", "POST", FORM, body).status, 400)
        self.assertEqual(self.fetch(self.srv, "/show?name=a%00b").status, 400)
        self.assertEqual(self.fetch(self.srv, "/show?name=a&other=a%00b").status, 200)
        self.assertEqual(self.fetch(self.srv, "/redirect?to=/x%00").status, 400)

    def test_curl_sends_a_multipart_form_with_a_file(self):
        path = os.path.join(self.directory(), "hello.txt")
        with open(path, "wb") as f:
            f.write(bytes(range(256)) * 4)
        done = curl("-F", "a=1", "-F", "file=@%s;type=text/plain" % path, self.url + "/upload")
        self.assertEqual(done.stdout, b"name=hello.txt type=text/plain size=1024\n"
                         + bytes(range(256)) * 4)
        done = curl("-F", "a=x y", "-F", "b=z", self.url + "/form")
        self.assertEqual(done.stdout, b"a=x y b=z\n")

    def multipart(self, body, boundary="XX"):
        return self.fetch(self.srv, "/upload", "POST",
                          {"Content-Type": "multipart/form-data; boundary=" + boundary}, body)

    def test_a_files_name_is_only_its_last_part(self):
        for name in ("../../etc/passwd", "/etc/passwd", "C:\\\\temp\\\\passwd"):
            answer = self.multipart(
                b'--XX\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n'
                b"x\r\n--XX--\r\n" % name.encode())
            if answer.status == 200:
                self.assertTrue(answer.body.startswith(b"name=passwd "), answer.body)

    def test_broken_multipart_harms_nothing(self):
        part = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx'
        for body, boundary in ((part, "XX"), (part + b"\r\n--XX", "XX"), (b"", "XX"),
                               (b"--XX--\r\n", "XX"), (part, ""), (part, "Y" * 100),
                               (b"--XX\r\n" * 1000, "XX"), (b"\0" * 1000, "XX"),
                               (b"--XX\r\n\r\n\r\n--XX--", "XX")):
            self.assertIn(self.multipart(body, boundary).status, (400, 413), body[:30])
        self.assertEqual(self.text(self.srv, "/build"), "1\n")


class Writing(App):
    def test_a_field_with_cr_lf_or_nul_is_refused(self):
        for value in ("a%0d%0aX-Evil:1", "a%0ab", "a%0db", "a%01b"):
            answer = self.fetch(self.srv, "/set-header?name=X-Test&value=" + value)
            self.assertNotEqual(answer.body, b"ok\n")
            self.assertIsNone(answer.get("x-evil"))
            self.assertIsNone(answer.get("x-test"))

    def test_a_bad_field_name_is_refused(self):
        for name in ("X%20Y", "X:", "X%0d%0aY", ""):
            answer = self.fetch(self.srv, "/set-header?value=1&name=" + name)
            self.assertNotEqual(answer.body, b"ok\n", name)

    def test_framing_fields_belong_to_the_library(self):
        for name in ("Content-Length", "Transfer-Encoding", "Connection", "Date",
                     "content-length"):
            answer = self.fetch(self.srv, "/set-header?value=7&name=" + name)
            self.assertNotEqual(answer.body, b"ok\n", name)
            self.assertEqual(answer.status, 200)

    def test_a_good_field_is_sent(self):
        answer = self.fetch(self.srv, "/set-header?name=X-Test&value=a%20b")
        self.assertEqual((answer.body, answer.get("x-test")), (b"ok\n", "a b"))

    def test_a_cookie_has_its_attributes(self):
        answer = self.fetch(self.srv, "/set-cookie?name=sid&value=abc")
        parts = [p.strip().lower() for p in answer.get("set-cookie").split(";")]
        self.assertEqual(parts[0], "sid=abc")
        for want in ("path=/", "httponly", "samesite=lax", "max-age=60"):
            self.assertIn(want, parts)

    def test_a_cookie_cannot_break_out(self):
        for value in ("a;%20path=/x", "a%0d%0aX-Evil:1", "a,b%0a"):
            answer = self.fetch(self.srv, "/set-cookie?name=sid&value=" + value)
            self.assertIsNone(answer.get("x-evil"))
            for cookie in answer.all("set-cookie"):
                self.assertNotIn("path=/x", cookie)

    def test_a_redirect(self):
        answer = self.fetch(self.srv, "/redirect?to=/build")
        self.assertEqual((answer.status, answer.get("location")), (302, "/build"))
        done = curl("-L", self.url + "/redirect?status=307&to=/build")
        self.assertEqual(done.stdout, b"1\n")

    def test_a_redirect_neither_splits_the_answer_nor_leads_elsewhere(self):
        for to in ("%20//evil.example", "%09//evil.example", "/%09/evil.example", "/x%09",
                   "%20/%5cevil.example", "%1f//evil.example"):
            answer = self.fetch(self.srv, "/redirect?to=" + to)
            self.assertEqual((answer.status, answer.get("location")), (500, None), to)
        answer = self.fetch(self.srv, "/redirect?to=/x%0d%0aX-Evil:1")
        self.assertIsNone(answer.get("x-evil"))

    def test_json_strings_are_escaped(self):
        answer = self.fetch(self.srv, "/json?text=%22%5C%0a%01%3C%C3%A4%ff")
        self.assertEqual(json.loads(answer.body)["text"], '"\\\n\x01<ä\ufffd')
        self.assertIn("json", answer.get("content-type"))

    def test_status_codes_pass_through(self):
        for status in (200, 201, 204, 304, 400, 403, 500, 503):
            conn = self.connect(self.srv)
            answer = conn.request("GET", "/status?status=%d" % status)
            self.assertEqual(answer.status, status)
            if status in (204, 304):
                self.assertIsNone(answer.get("content-length") if status == 204 else None)
            self.assertEqual(conn.request("GET", "/build").body, b"1\n")
            conn.close()


if __name__ == "__main__":
    main()
