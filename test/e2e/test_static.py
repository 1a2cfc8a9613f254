"""Static files: index, ranges, conditions, types, and nothing outside."""
import email
import email.utils
import os
import re
import resource
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
from case import Case, curl, eventually, main, program  # noqa: E402


class Static(Case):
    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.base = _Tree().__enter__()
        cls.addClassCleanup(cls.base.__exit__)
        cls.srv = cls.shared_server(program("test/programs/app"), env={
            "MOLT_SERVER_SERVERROOT": cls.base.root, **cls.settings})

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
        self.put("root/.well-known/acme-challenge/token", b"known")
        self.put("root/.well-known/.hidden", b"hidden")
        self.put("root/sub/.well-known/x", b"hidden")
        self.put("root/.well-known-not", b"hidden")
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
        path = os.path.join(self.top, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
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
        for path in ("/.well-known/.hidden", "/sub/.well-known/x", "/.well-known-not",
                     "/.well-known/../.hidden"):
            self.assertEqual(self.get(path).status, 404, path)

    def test_well_known_files_of_the_site_are_served(self):
        answer = self.get("/.well-known/acme-challenge/token")
        self.assertEqual((answer.status, answer.body), (200, b"known"))
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


class Exact(Static):
    """What is sent, byte by byte, with the connection used again behind it."""

    def parts(self, path, field, conn):
        """The (Content-Range, body) pairs of an answer of several ranges."""
        answer = conn.request("GET", path, {"Range": field})
        self.assertEqual(answer.status, 206, answer)
        self.assertIsNone(answer.get("content-range"))
        whole = b"Content-Type: " + answer.get("content-type").encode() + b"\r\n\r\n" + answer.body
        message = email.message_from_bytes(whole)
        self.assertTrue(message.is_multipart())
        self.assertEqual(message.defects, [])
        # The parser of mail may touch line ends; the bytes are cut out by hand.
        boundary = b"--" + message.get_boundary().encode()
        pieces = answer.body.split(boundary)
        self.assertEqual((pieces[0], pieces[-1]), (b"", b"--\r\n"))
        out = []
        for piece in pieces[1:-1]:
            head, _, data = piece.partition(b"\r\n\r\n")
            self.assertTrue(data.endswith(b"\r\n"))
            out.append((re.search(rb"Content-Range: ([^\r\n]+)", head).group(1).decode(), data[:-2]))
        return out

    def test_several_ranges_of_small_and_large_files(self):
        big = bytes(range(256)) * 8192
        conn = self.connect(self.srv)
        self.assertEqual(self.parts("/a.txt", "bytes=0-1,50-51,-1", conn),
                         [("bytes 0-1/100", b"01"), ("bytes 50-51/100", b"01"),
                          ("bytes 99-99/100", b"9")])
        self.assertEqual(self.parts("/big.bin", "bytes=1000000-1999999,5-5,-7000", conn),
                         [("bytes 1000000-1999999/2097152", big[1000000:2000000]),
                          ("bytes 5-5/2097152", b"\5"),
                          ("bytes 2090152-2097151/2097152", big[-7000:])])
        self.assertEqual(conn.request("GET", "/build").body, b"1\n")

    def test_overlapping_ranges_are_one(self):
        answer = self.get("/big.bin", {"Range": "bytes=" + ",".join(["0-99999"] * 16)})
        self.assertEqual((answer.status, len(answer.body)), (206, 100000))
        self.assertEqual(answer.get("content-range"), "bytes 0-99999/2097152")

    def test_requests_in_a_row_get_their_answers_in_order(self):
        conn = self.connect(self.srv)
        get = "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n"
        conn.send(get % ("/a.txt", "") + get % ("/big.bin", "Range: bytes=0-99999\r\n")
                  + (get % ("/big.bin", "")).replace("GET", "HEAD") + get % ("/none", "")
                  + get % ("/sub/", "If-None-Match: *\r\n") + get % ("/a.txt", "Range: bytes=-1\r\n"))
        self.assertEqual(conn.answer().body, b"0123456789" * 10)
        self.assertEqual(conn.answer().body, (bytes(range(256)) * 391)[:100000])
        head = conn.answer("HEAD")
        self.assertEqual((head.status, head.get("content-length")), (200, "2097152"))
        self.assertEqual(conn.answer().status, 404)
        self.assertEqual(conn.answer().status, 304)
        self.assertEqual(conn.answer().body, b"9")

    def test_http_1_0_gets_a_file_with_its_length(self):
        conn = self.connect(self.srv)
        conn.send("GET /big.bin HTTP/1.0\r\n\r\n")
        answer = conn.answer()
        self.assertEqual((answer.get("content-length"), len(answer.body)), ("2097152", 2097152))
        self.assertTrue(conn.closed())

    def test_the_redirect_to_a_directory_keeps_the_query(self):
        answer = self.get("/sub?a=1&b=%20")
        self.assertEqual((answer.status, answer.get("location")), (301, "/sub/?a=1&b=%20"))
        os.makedirs(os.path.join(self.base.root, "d \\é"), exist_ok=True)
        self.assertEqual(self.get("/d%20%5c%C3%A9").get("location"), "/d%20%5C%C3%A9/")

    def test_types_by_ending(self):
        for name, kind in (("x.js", "text/javascript; charset=utf-8"),
                           ("x.MJS", "text/javascript; charset=utf-8"), ("x.svg", "image/svg+xml"),
                           ("x.woff2", "font/woff2"), ("x.wasm", "application/wasm"),
                           ("x.json", "application/json"), ("x", "application/octet-stream")):
            self.base.put("root/" + name, b"x")
            self.assertEqual(self.get("/" + name).get("content-type"), kind, name)


class Changing(Static):
    """Files that change, clients that leave."""

    def slow(self, path):
        conn = self.connect(self.srv, rcvbuf=65536)
        conn.send("GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path)
        return conn, conn.head()

    def make(self, name, byte, size=12000000):
        self.base.put("root/" + name, byte * size)
        return os.path.join(self.base.root, name)

    def test_a_file_that_grows_is_sent_with_the_announced_length(self):
        path = self.make("grows.bin", b"g")
        conn, answer = self.slow("/grows.bin")
        with open(path, "ab") as f:
            f.write(b"MORE" * 100000)
        self.assertEqual(conn.body(answer), b"g" * 12000000)
        self.assertEqual(conn.request("GET", "/build").body, b"1\n")

    def test_a_file_that_is_replaced_is_sent_as_it_was(self):
        path = self.make("replaced.bin", b"o")
        conn, answer = self.slow("/replaced.bin")
        with open(path + ".new", "wb") as f:
            f.write(b"new")
        os.rename(path + ".new", path)
        self.assertEqual(conn.body(answer), b"o" * 12000000)
        self.assertEqual(conn.request("GET", "/replaced.bin").body, b"new")

    def test_ranges_of_a_file_that_shrinks_break_visibly(self):
        path = self.make("ranges.bin", b"r")
        conn = self.connect(self.srv, rcvbuf=65536)
        conn.send("GET /ranges.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=0-0,100-\r\n\r\n")
        answer = conn.head()
        self.assertEqual(answer.status, 206)
        os.truncate(path, 10)
        with self.assertRaises((AssertionError, ConnectionResetError)):
            conn.body(answer)
        self.assertEqual(self.text(self.srv, "/build"), "1\n")

    def test_a_slow_reader_holds_nobody_and_a_gone_one_leaves_nothing(self):
        self.make("slow.bin", b"s")
        fds = "/proc/%d/fd" % self.srv.pid
        self.text(self.srv, "/build")
        before = len(os.listdir(fds))
        readers = [self.slow("/slow.bin")[0] for _ in range(20)]
        self.assertEqual(self.get("/a.txt").status, 200)  # while they read nothing
        for conn in readers:
            conn.close()
        self.assertTrue(eventually(lambda: len(os.listdir(fds)) <= before), os.listdir(fds))

    def test_no_descriptor_for_the_file_is_503_and_passes(self):
        conn = self.connect(self.srv)
        self.assertEqual(conn.request("GET", "/a.txt").status, 200)
        limits = resource.prlimit(self.srv.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.srv.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        try:
            self.assertEqual(conn.request("GET", "/a.txt").status, 503)
        finally:
            resource.prlimit(self.srv.pid, resource.RLIMIT_NOFILE, limits)
        self.assertEqual(conn.request("GET", "/a.txt").status, 200)

    def test_a_release_is_switched_by_its_link(self):
        top = self.directory()
        for name in ("one", "two"):
            os.mkdir(os.path.join(top, name))
            with open(os.path.join(top, name, "x.txt"), "w") as f:
                f.write(name)
        current = os.path.join(top, "current")
        os.symlink("one", current)
        srv = self.server(program("test/programs/app"), env={"MOLT_SERVER_SERVERROOT": current})
        conn = self.connect(srv)
        self.assertEqual(conn.request("GET", "/x.txt").body, b"one")
        os.symlink("two", current + ".new")
        os.rename(current + ".new", current)
        self.assertEqual(conn.request("GET", "/x.txt").body, b"two")
        os.unlink(current)
        self.assertEqual(conn.request("GET", "/x.txt").status, 404)

    def releases(self):
        """A server of the link "current", and a function that makes the next release."""
        top = self.directory()
        current = os.path.join(top, "current")

        def release(n):
            os.mkdir(os.path.join(top, str(n)))
            with open(os.path.join(top, str(n), "x.txt"), "w") as f:
                f.write(str(n))
            os.symlink(str(n), current + ".new")
            os.rename(current + ".new", current)
            return b"%d" % n

        release(0)
        srv = self.server(program("test/programs/app"), env={
            "MOLT_SERVER_SERVERROOT": current, "MOLT_SERVER_LOOPS": "1"})
        return srv, release, top

    def test_a_switch_is_seen_at_once_while_others_keep_the_server_busy(self):
        srv, release, _ = self.releases()
        over = threading.Event()
        wrong = []

        def keep_busy():
            conns = [self.connect(srv) for _ in range(8)]
            while not over.is_set():
                for conn in conns:
                    conn.send("GET /x.txt HTTP/1.1\r\nHost: a\r\n\r\n")
                wrong.extend(a for a in (conn.answer() for conn in conns) if a.status != 200)

        threads = [threading.Thread(target=keep_busy) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            conn = self.connect(srv)
            for n in range(1, 301):
                text = release(n)
                self.assertEqual(conn.request("GET", "/x.txt").body, text)
                self.assertEqual(self.fetch(srv, "/x.txt").body, text)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        self.assertEqual(wrong, [])

    def test_requests_in_a_row_see_a_switch_between_their_answers(self):
        srv, release, _ = self.releases()
        conn = self.connect(srv)
        for n in range(1, 50):
            text = release(n)
            conn.send("GET /x.txt HTTP/1.1\r\nHost: a\r\n\r\n" * 4)
            for _ in range(4):
                self.assertEqual(conn.answer().body, text)

    def test_a_server_that_sleeps_holds_nothing_of_its_files(self):
        srv, _, top = self.releases()
        conns = [self.connect(srv) for _ in range(8)]
        for _ in range(10):
            for conn in conns:
                conn.send("GET /x.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            for conn in conns:
                self.assertEqual(conn.answer().status, 200)
        fds = "/proc/%d/fd" % srv.pid

        def held():
            paths = []
            for fd in os.listdir(fds):
                try:
                    paths.append(os.readlink(os.path.join(fds, fd)))
                except OSError:
                    pass  # closed meanwhile
            return [p for p in paths if p.startswith(top)]

        self.assertTrue(eventually(lambda: not held()), held())


class Listing(Static):
    settings = {"MOLT_SERVER_INDEXFOLDER": "true"}

    def test_a_page_with_what_can_be_served_and_nothing_else(self):
        for name in ("a.txt", "ä.txt", ".hidden", "<b>&'\".txt", "javascript:1", "sub/x"):
            self.base.put("root/list/" + name, b"x")
        os.symlink("../../secret.txt", os.path.join(self.base.root, "list", "leads-out"))
        os.symlink("../..", os.path.join(self.base.root, "list", "up"))
        os.mkfifo(os.path.join(self.base.root, "list", "pipe"))
        page = self.get("/list/")
        self.assertEqual((page.status, page.get("content-type")), (200, "text/html; charset=utf-8"))
        text = page.body.decode()
        links = re.findall(r'href="([^"]*)"', text)
        self.assertIn("a.txt", links)
        self.assertIn("sub/", links)
        self.assertIn("%C3%A4.txt", links)
        self.assertIn("javascript%3A1", links)
        self.assertNotIn("<b>", text)
        for hidden in (".hidden", "pipe", "leads-out", '"up/"', "secret", self.base.top):
            self.assertNotIn(hidden, text)
        for link in links:
            self.assertEqual(self.get("/list/" + link).status, 200, link)
        self.assertEqual(links[:2], ["../", "sub/"])

    def test_an_index_wins_and_the_parent_is_linked_below_the_root(self):
        self.assertEqual(self.get("/sub/").body, b"<p>index</p>")
        self.assertIn(b'href="../"', self.get("/empty/").body)
        self.assertEqual(self.get("/empty").get("location"), "/empty/")

    def test_a_large_directory_does_not_hold_other_requests(self):
        large = os.path.join(self.base.root, "large")
        os.mkdir(large)
        for i in range(3000):
            open(os.path.join(large, "%d" % i), "w").close()
        conns = [self.connect(self.srv) for _ in range(8)]
        for conn in conns:
            conn.send("GET /large/ HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(self.get("/a.txt").status, 200)
        for conn in conns:
            self.assertEqual(conn.answer().body.count(b"<tr>"), 3002)


class OverTls(Case):
    def test_files_large_and_small_and_one_that_shrinks(self):
        base = _Tree().__enter__()
        self.addCleanup(base.__exit__)
        crt, key = certs.make(self.directory())
        srv = self.server(program("test/programs/app"), env={
            "MOLT_SERVER_SERVERROOT": base.root, "MOLT_SERVER_HTTPSCERTPATH": crt,
            "MOLT_SERVER_HTTPSKEYPATH": key})
        conn = self.connect(srv, tls=True)
        self.assertEqual(conn.request("GET", "/big.bin").body, bytes(range(256)) * 8192)
        self.assertEqual(conn.request("GET", "/a.txt", {"Range": "bytes=-2"}).body, b"89")
        path = os.path.join(base.root, "shrinks.bin")
        base.put("root/shrinks.bin", b"x" * 12000000)
        conn = self.connect(srv, tls=True, rcvbuf=65536)
        conn.send("GET /shrinks.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = conn.head()
        os.truncate(path, 10)
        with self.assertRaises((AssertionError, OSError)):
            conn.body(answer)
        self.assertEqual(self.text(srv, "/build", tls=True), "1\n")


if __name__ == "__main__":
    main()
