"""Static files: index, ranges, conditions, types, and nothing outside."""
import email.utils
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import Case, curl, main, program  # noqa: E402


class Static(Case):
    @classmethod
    def setUpClass(cls):
        cls.base = cls.enterClassContext(_Tree())
        cls.srv = cls.shared_server(program("test/programs/app"), env={
            "MOLT_SERVER_SERVERROOT": cls.base.root})

    def get(self, path, headers=(), method="GET"):
        return self.fetch(self.srv, path, method, headers)


class _Tree:
    """root/ with files, beside it secret.txt."""

    def __enter__(self):
        import tempfile
        self.top = tempfile.mkdtemp(prefix="molt-test-")
        self.root = os.path.join(self.top, "root")
        os.makedirs(os.path.join(self.root, "sub"))
        os.makedirs(os.path.join(self.root, "empty"))
        self.put("root/a.txt", b"0123456789" * 10)
        self.put("root/sub/index.html", b"<p>index</p>")
        self.put("root/.hidden", b"hidden")
        self.put("root/big.bin", bytes(range(256)) * 8192)
        self.put("root/umlaut ä.txt", b"umlaut")
        self.put("root/page.html", b"<p>page</p>")
        self.put("root/empty.txt", b"")
        self.put("secret.txt", b"SECRET")
        os.symlink("../secret.txt", os.path.join(self.root, "leads-out"))
        os.symlink("..", os.path.join(self.root, "up"))
        os.symlink("a.txt", os.path.join(self.root, "stays-in"))
        os.mkfifo(os.path.join(self.root, "pipe"))
        return self

    def put(self, name, data):
        with open(os.path.join(self.top, name), "wb") as f:
            f.write(data)

    def __exit__(self, *exc):
        import shutil
        shutil.rmtree(self.top, True)


class Files(Static):
    def test_a_file_with_type_length_and_validators(self):
        answer = self.get("/a.txt")
        self.assertEqual((answer.status, answer.body), (200, b"0123456789" * 10))
        self.assertIn("text/plain", answer.get("content-type"))
        self.assertEqual(answer.get("content-length"), "100")
        self.assertIsNotNone(answer.get("etag"))
        self.assertIsNotNone(answer.get("last-modified"))
        self.assertIn("text/html", self.get("/page.html").get("content-type"))

    def test_a_big_file_arrives_whole(self):
        done = curl("http://127.0.0.1:%d/big.bin" % self.srv.port)
        self.assertEqual(done.stdout, bytes(range(256)) * 8192)

    def test_head_has_the_length_and_no_body(self):
        answer = self.get("/a.txt", method="HEAD")
        self.assertEqual((answer.status, answer.get("content-length")), (200, "100"))

    def test_an_empty_file(self):
        answer = self.get("/empty.txt")
        self.assertEqual((answer.status, answer.get("content-length")), (200, "0"))

    def test_the_index_stands_for_its_directory(self):
        self.assertEqual(self.get("/sub/").body, b"<p>index</p>")
        answer = self.get("/sub")
        if answer.status in (301, 302, 307, 308):
            self.assertTrue(answer.get("location").endswith("/sub/"))

    def test_a_redirect_never_leads_to_another_host(self):
        for path in ("//sub", "///sub", "/%2Fsub", "//evil.example/%2e%2e/sub"):
            location = self.get(path).get("location", "/")
            self.assertFalse(location.startswith("//"), location)
            self.assertNotIn("evil", location.split("/")[0:3])

    def test_a_directory_without_index_is_not_listed(self):
        self.assertIn(self.get("/empty/").status, (403, 404))

    def test_routes_win_over_files_and_missing_files_get_404(self):
        self.assertEqual(self.get("/build").body, b"1\n")
        self.assertEqual(self.get("/missing.txt").status, 404)

    def test_other_methods_get_405(self):
        self.assertEqual(self.fetch(self.srv, "/a.txt", "DELETE").status, 405)

    def test_names_that_need_escapes(self):
        self.assertEqual(self.get("/umlaut%20%C3%A4.txt").body, b"umlaut")


class Ranges(Static):
    def test_one_range(self):
        for field, body, said in (("bytes=0-9", b"0123456789", "bytes 0-9/100"),
                                  ("bytes=95-", b"56789", "bytes 95-99/100"),
                                  ("bytes=-3", b"789", "bytes 97-99/100"),
                                  ("bytes=90-500", b"0123456789", "bytes 90-99/100"),
                                  ("bytes=-500", b"0123456789" * 10, "bytes 0-99/100")):
            answer = self.get("/a.txt", {"Range": field})
            self.assertEqual((answer.status, answer.body, answer.get("content-range")),
                             (206, body, said), field)

    def test_several_ranges(self):
        answer = self.get("/a.txt", {"Range": "bytes=0-1,50-51"})
        self.assertEqual(answer.status, 206)
        self.assertIn("multipart/byteranges", answer.get("content-type"))
        self.assertIn(b"bytes 50-51/100", answer.body)

    def test_ranges_outside_get_416(self):
        answer = self.get("/a.txt", {"Range": "bytes=100-"})
        self.assertEqual((answer.status, answer.get("content-range")), (416, "bytes */100"))

    def test_bad_and_greedy_ranges_are_ignored(self):
        for field in ("bytes=", "bytes=5-2", "lines=0-1", "bytes=a-b", "bytes=--5",
                      "bytes=0-99999999999999999999999,x", "bytes=" + "0-," * 3000):
            answer = self.get("/a.txt", {"Range": field})
            self.assertIn(answer.status, (200, 206, 416, 431), field[:30])
            self.assertLessEqual(len(answer.body), 400)

    def test_if_range(self):
        etag = self.get("/a.txt").get("etag")
        self.assertEqual(self.get("/a.txt", {"Range": "bytes=0-1", "If-Range": '"other"'}).status, 200)
        if not etag.startswith("W/"):
            self.assertEqual(self.get("/a.txt", {"Range": "bytes=0-1", "If-Range": etag}).status, 206)


class Conditions(Static):
    def test_an_unchanged_file_gets_304(self):
        first = self.get("/a.txt")
        for headers in ({"If-None-Match": first.get("etag")}, {"If-None-Match": "*"},
                        {"If-None-Match": '"x", ' + first.get("etag")},
                        {"If-Modified-Since": first.get("last-modified")}):
            answer = self.get("/a.txt", headers)
            self.assertEqual((answer.status, answer.body), (304, b""), headers)
            self.assertEqual(answer.get("etag"), first.get("etag"))

    def test_a_changed_file_is_sent(self):
        old = email.utils.formatdate(0, usegmt=True)
        self.assertEqual(self.get("/a.txt", {"If-None-Match": '"x"'}).status, 200)
        self.assertEqual(self.get("/a.txt", {"If-Modified-Since": old}).status, 200)
        self.assertEqual(self.get("/a.txt", {"If-Modified-Since": "nonsense"}).status, 200)

    def test_if_match_and_if_unmodified_since_get_412(self):
        self.assertEqual(self.get("/a.txt", {"If-Match": '"x"'}).status, 412)
        old = email.utils.formatdate(0, usegmt=True)
        self.assertEqual(self.get("/a.txt", {"If-Unmodified-Since": old}).status, 412)

    def test_a_new_content_has_a_new_etag(self):
        self.base.put("root/changes.txt", b"one")
        first = self.get("/changes.txt").get("etag")
        self.base.put("root/changes.txt", b"three")
        self.assertNotEqual(self.get("/changes.txt").get("etag"), first)


class Inside(Static):
    def test_nothing_outside_is_reached(self):
        for path in ("/../secret.txt", "/sub/../../secret.txt", "/%2e%2e/secret.txt",
                     "/.%2e/secret.txt", "/..%2fsecret.txt", "/%2e%2e%2fsecret.txt",
                     "/%252e%252e/secret.txt", "/..%5csecret.txt", "/leads-out", "/up/secret.txt",
                     "/sub/..%2f..%2fsecret.txt", "/a.txt%00.html", "/a.txt/",
                     "/" + self.base.top + "/secret.txt", "/up/root/../secret.txt"):
            answer = self.get(path)
            self.assertIn(answer.status, (400, 403, 404), path)
            self.assertNotIn(b"SECRET", answer.body, path)

    def test_hidden_and_special_files_are_not_served(self):
        self.assertIn(self.get("/.hidden").status, (403, 404))
        self.assertIn(self.get("/pipe").status, (403, 404))

    def test_links_that_stay_inside_are_followed(self):
        self.assertEqual(self.get("/stays-in").status, 200)

    def test_a_file_cut_short_while_it_is_sent_breaks_the_answer_visibly(self):
        big = os.path.join(self.base.root, "shrinks.bin")
        with open(big, "wb") as f:
            f.truncate(50000000)
        conn = self.connect(self.srv, rcvbuf=4096)
        conn.send(b"GET /shrinks.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = conn.head()
        os.truncate(big, 1000)
        with self.assertRaises((AssertionError, ConnectionResetError)):
            conn.body(answer)
        self.assertEqual(self.text(self.srv, "/build"), "1\n")


class FileAnswers(Static):
    def test_a_handler_may_answer_with_any_file(self):
        path = os.path.join(self.base.top, "secret.txt")
        self.assertEqual(self.get("/file?path=" + path).body, b"SECRET")
        self.assertEqual(self.get("/file?path=" + path, {"Range": "bytes=0-1"}).body, b"SE")
        self.assertEqual(self.get("/file?path=/no/such").status, 404)
        self.assertEqual(self.get("/file?path=/").status, 404)


if __name__ == "__main__":
    main()
