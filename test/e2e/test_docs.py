"""The documentation keeps its word: its program compiles and runs, its curl
lines give what they show, its keys, functions and links exist."""
import glob
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import case  # noqa: E402
import header  # noqa: E402
import procs  # noqa: E402
from case import SOURCE, Case, curl, main, program  # noqa: E402

LIBRARIES = ["libuv", "openssl", "jansson", "yaml-0.1", "zlib", "libnghttp2"]


def read(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8") as f:
        return f.read()


def pages():
    """{name: text} of the documents, names relative to the source."""
    found = glob.glob(os.path.join(SOURCE, "*.md")) + glob.glob(os.path.join(SOURCE, "doc", "*.md"))
    return {os.path.relpath(path, SOURCE): read(path) for path in sorted(found)}


def functions():
    return re.findall(r"(?m)^MOLT_API [^;]*?\b(molt_\w+)\(", header.text())


def function(text, name):
    """The body of a function of a C file, or None."""
    found = re.search(r"(?ms)^(?!#|\s)[^;{}\n]*\b%s\([^;{}]*?\)\n\{\n(.*?)^\}" % name, text)
    return found and found.group(1)


def blocks(text, language):
    """The contents of the ```language blocks."""
    return re.findall(r"^```%s\n(.*?)^```$" % language, text, re.M | re.S)


def shown(text):
    """(curl's arguments, the lines shown below) of each "$ curl" of the console blocks."""
    for block in blocks(text, "console"):
        for command, output in re.findall(r"^\$ curl (.*)\n((?:(?!\$ ).*\n)*)", block, re.M):
            yield command, output.splitlines()


class Readme(Case):
    def compiled(self, text):
        """The path of the program whose source is text, with the build's own library."""
        directory = self.directory()
        source, out = os.path.join(directory, "hello.c"), os.path.join(directory, "hello")
        with open(source, "w") as f:
            f.write(text)
        libs = subprocess.check_output(["pkg-config", "--libs"] + LIBRARIES).decode().split()
        built = subprocess.run(
            [os.environ.get("CC", "cc"), "-std=gnu11", "-Wall", "-Wextra", "-Wno-unused-parameter",
             "-Werror", "-I" + os.path.join(SOURCE, "include"), source, "-o", out,
             os.path.join(os.path.abspath(case.BUILD), "libmolt.a")] + libs + ["-lwslay", "-lpthread"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(built.returncode, 0, built.stdout.decode())
        return out

    def test_the_smallest_program_serves_and_restarts(self):
        if case.sanitized():
            self.skipTest("a program of its own has no sanitizer")
        programs = blocks(read("README.md"), "c")
        self.assertEqual(len(programs), 1)
        srv = self.server(self.compiled(programs[0]))
        old = srv.pid
        self.assertEqual(self.fetch(srv, "/").body, b"Hello!\n")
        self.assertTrue(self.admin(srv, "restart").json["ok"])
        self.assertTrue(procs.wait_gone(old, 5 * case.SLOW))
        self.assertEqual(self.fetch(srv, "/").body, b"Hello!\n")

    def test_its_curl_lines_show_what_comes(self):
        """Numbers differ from run to run, and long answers are shortened."""
        srv = self.server(program("examples/demo"))
        checked = 0
        for command, lines in shown(read("README.md")):
            if '"ok":false' in lines[0]:
                continue  # needs a broken configuration; test_bad_programs has it
            url = re.search(r"http://127\.0\.0\.1:8199(\S*?)'?$", command)
            self.assertIsNotNone(url, command)
            real = curl("http://127.0.0.1:%d%s" % (srv.port, url.group(1))).stdout.decode()
            want = lines[0][:-len(" ...")] if lines[0].endswith(" ...") else lines[0]
            pattern = re.sub(r"\d+", r"\\d+", re.escape(want))
            self.assertRegex(real, "^" + pattern, command)
            checked += 1
        self.assertGreaterEqual(checked, 4)

    def test_it_shows_what_make_demo_says(self):
        said = re.search(r"<<'TEXT'\n\n(.*?)\n\nTEXT", read("tools/demo"), re.S).group(1)
        self.assertIn(said, read("README.md"))

    def test_make_knows_the_targets_it_names(self):
        makefile = read("Makefile")
        for name in set(re.findall(r"`make ([a-z-]+)`", "".join(pages().values()))):
            self.assertRegex(makefile, r"(?m)^%s:" % name)


class Names(Case):
    def test_keys_and_variables_exist(self):
        keys = {k.lower() for k in re.findall(r"(?m)^\| `(\w+)` \|", read("doc/configuration.md"))}
        for name, text in pages().items():
            for rest in re.findall(r"MOLT_(?:SERVER|LOGGER)_([A-Z0-9_]+)", text):
                key = re.sub(r"^S\d_", "", rest).lower()
                if key != "adress":  # the example of a mistake
                    self.assertIn(key, keys, name)

    def test_every_option_of_a_server_is_that_of_one_key(self):
        body = re.search(r"(?s)typedef struct molt_server_opts \{(.*?)\n\}", header.text()).group(1)
        body = re.sub(r"(?s)/\*.*?\*/", "", body)
        members = [m for line in body.split(";") for m in re.findall(r"(\w+)\s*(?:,|$)", line.strip())]
        rows = re.findall(r"(?m)^\| `\w+` \|[^|]*\|[^|]*\| `(\w+)` \|", read("doc/configuration.md"))
        self.assertGreater(len(rows), 30)
        self.assertEqual(sorted(rows + ["size"]), sorted(members))

    def test_the_points_of_faults_are_those_of_the_grid(self):
        points = r"\b(?:step|send|sent|get|got)\.[a-z]+\b"
        self.assertEqual(set(re.findall(points, read("doc/faults.md"))),
                         set(re.findall(points, read("test/restart/test_faults.py"))))

    def test_functions_exist(self):
        declared = header.text()
        for name, text in list(pages().items()) + [("man/libmolt.3", read("man/libmolt.3")),
                                                   ("man/molt.7", read("man/molt.7"))]:
            text = re.sub(r"(?m)^\.Xr molt_\w+ 3 :$", "", text)  # the page of a group
            for word in set(re.findall(r"\bmolt_[a-z0-9_]+\b(?!\*)", text)):
                if not word.endswith("_"):
                    self.assertRegex(declared, r"\b%s\b" % word, name)

    def test_events_and_types_exist(self):
        declared = header.text()
        for name, text in pages().items():
            for word in set(re.findall(r"\bMOLT_(?:ON|DEBUG|SECOND|FOREVER)[A-Z_]*\b", text)):
                self.assertIn(word, declared, name)

    def test_programs_in_the_documents_compile(self):
        """Pieces of C, each as the inside of a function or as functions."""
        for name, text in pages().items():
            for piece in blocks(text, "c"):
                if "int main" in piece:
                    continue
                if not re.match(r"static ", piece):
                    piece = "static void piece(molt_server *s, molt_group *g)\n{\n(void)s, (void)g;\n%s}\n" % piece
                head = "#include <molt.h>\n#include <string.h>\nstatic molt_handler report, require_login, not_found, user;\n"
                done = subprocess.run(
                    ["cc", "-std=gnu11", "-fsyntax-only", "-x", "c", "-I" + os.path.join(SOURCE, "include"), "-"],
                    input=(head + piece).encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                self.assertEqual(done.returncode, 0, "%s:\n%s" % (name, done.stdout.decode()))

    def test_links_lead_somewhere(self):
        for name, text in pages().items():
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                if re.match(r"https?:", target):
                    continue
                path = os.path.join(SOURCE, os.path.dirname(name), target.partition("#")[0])
                self.assertTrue(os.path.exists(path), "%s: %s" % (name, target))

    def test_every_document_is_linked_from_the_readme(self):
        text = read("README.md")
        for path in glob.glob(os.path.join(SOURCE, "doc", "*.md")):
            self.assertIn("doc/" + os.path.basename(path), text)

    def test_lines_are_short_outside_tables(self):
        for name, text in pages().items():
            for number, line in enumerate(text.splitlines(), 1):
                if not line.startswith("|"):
                    self.assertLessEqual(len(line), 140, "%s:%d" % (name, number))


class Invariants(Case):
    """Each row of doc/invariants.md names a test and an assertion, which are there."""

    def rows(self):
        """[{column: text}] of all tables."""
        found, head = [], None
        for line in read("doc/invariants.md").splitlines():
            cells = [c.strip() for c in line.split("|")[1:-1]]
            if not cells:
                head = None
            elif head is None:
                head = cells
            elif not set(cells[0]) <= set("-"):
                self.assertEqual(len(cells), len(head), line)
                found.append(dict(zip(head, cells)))
        return found

    def shown_by(self, row):
        """[(file, names)]"""
        return [(f, re.findall(r"`([\w.]+)`", names or ""))
                for f, names in re.findall(r"`(test/[\w/.]+)`(?: \(([^)]*)\))?", row["shown by"])]

    def defines(self, text, name, language):
        if language == ".c":
            return re.search(r"(?m)^static void %s\(" % name, text)
        group, _, test = name.rpartition(".")
        if test and test[0].isupper():
            group, test = test, ""
        body = re.search(r"(?ms)^class %s\b(.*?)(?=^class |\Z)" % group, text)
        return body and (not test or re.search(r"\b%s\b" % test, body.group(1)))

    def test_every_row_names_tests_that_are_there(self):
        rows = self.rows()
        self.assertGreater(len(rows), 35)
        seen = 0
        for row in rows:
            tests = self.shown_by(row)
            self.assertTrue(tests or row["shown by"].startswith("not shown: "), row["invariant"])
            for path, names in tests:
                text = read(path)
                self.assertTrue(names or path.startswith("test/fuzz/"), "%s: which test?" % path)
                for name in names:
                    seen += 1
                    self.assertTrue(self.defines(text, name, path[path.rindex("."):]),
                                    "%s has no %s" % (path, name))
        self.assertGreater(seen, 90)

    def test_every_row_names_an_assertion_that_is_there_or_says_why_not(self):
        seen = 0
        for row in self.rows():
            said = row["asserted in"]
            if said.startswith("none: "):
                continue
            names, path = re.match(r"(`\w+\(\)`(?: and `\w+\(\)`)*) in `(src/[\w/.]+)`", said).groups()
            for name in re.findall(r"\w+(?=\()", names):
                seen += 1
                body = function(read(path), name)
                self.assertTrue(body, "%s has no %s()" % (path, name))
                self.assertRegex(body, r"\bMO_(?:CHECK|MAGIC_OK)\(", name)
        self.assertGreater(seen, 8)


class Walks(Case):
    """Who follows a page of the sources finds what it names."""

    def named(self, text):
        """[(function, file)]: rows of walks, and "`name()` in `file`"."""
        return re.findall(r"(?m)^\| `(\w+)\(\)` \| `(src/[\w/.]+)` \|", text) + \
            re.findall(r"`(\w+)\(\)` in\s`(src/[\w/.]+)`", text)

    def test_each_function_of_a_walk_is_in_its_file(self):
        walks = read("CONTRIBUTING.md").split("## Three walks")[1].split("\n## ")[0]
        self.assertEqual(len(re.findall(r"(?m)^\|---", walks)), 3)
        self.assertGreater(len(self.named(walks)), 30)
        for name, path in self.named(walks):
            self.assertTrue(function(read(path), name), "%s has no %s()" % (path, name))

    def test_what_is_named_for_a_new_thing_is_there(self):
        text = read("doc/how-to-add.md")
        self.assertEqual(len(re.findall(r"(?m)^## A", text)), 6)
        paths = set(re.findall(r"`((?:src|test|doc|man|include|packaging|tools)/[\w/.-]+)`", text))
        self.assertGreater(len(paths), 50)
        for path in paths:
            self.assertTrue(os.path.exists(os.path.join(SOURCE, path)), path)
        for name, path in self.named(text):
            self.assertTrue(function(read(path), name), "%s has no %s()" % (path, name))
        code = "".join(read(os.path.relpath(f, SOURCE)) for f in glob.glob(os.path.join(SOURCE, "src", "**", "*.[ch]"), recursive=True))
        for name in set(re.findall(r"`(\w+)\(\)`", text)):
            self.assertRegex(code, r"\b%s\b" % name)


class Map(Case):
    """doc/map.md names every file of src, and no other."""

    def named(self):
        """{folder: [file]} of the tables."""
        found = {}
        for folder, rest in re.findall(r"(?ms)^## src/([\w/]+)$(.*?)(?=^## |\Z)", read("doc/map.md")):
            found[folder] = re.findall(r"(?m)^\| `([\w.]+)` \|", rest)
        return found

    def test_every_folder_of_src_has_its_table(self):
        src = os.path.join(SOURCE, "src")
        folders = {os.path.relpath(d, src) for d, _, files in os.walk(src) if set(files) - {"meson.build"}}
        self.assertEqual(set(self.named()), folders - {"."})

    def test_every_file_is_named_once_and_none_that_is_gone(self):
        for folder, names in self.named().items():
            path = os.path.join(SOURCE, "src", folder)
            files = {n for n in os.listdir(path) if os.path.isfile(os.path.join(path, n)) and n != "meson.build"}
            units = {n for n in files if not (n.endswith(".h") and n[:-2] + ".c" in files)}
            self.assertEqual(sorted(names), sorted(units), "src/" + folder)

    def sources(self):
        """Of those who send and hear messages."""
        return [f for folder in ("gen", "supervisor")
                for f in glob.glob(os.path.join(SOURCE, "src", folder, "**", "*.c"), recursive=True)]

    def test_every_message_between_processes_is_in_the_table(self):
        """Those of the list in messages.c, no other; and each is sent and heard somewhere."""
        listed = dict(re.findall(r'\[MO_MSG_(\w+)\] = \{ "(\w+)"', read("src/gen/wire/messages.c")))
        self.assertGreater(len(listed), 35)
        table = read("doc/sequence.md").split("## Messages")[1].split("## ")[0]
        self.assertEqual(sorted(listed.values()), sorted(re.findall(r"(?m)^\| `(\w+)` \|", table)))
        roles = [f for f in self.sources() if not f.endswith("messages.c")]
        text = "".join(read(os.path.relpath(f, SOURCE)) for f in roles)
        heard = set(re.findall(r"\{ MO_MSG_(\w+), \w+ \}", text))
        heard |= set(re.findall(r"\bmo_(?:child_await|message_answers|message_is)\([^;]*?MO_MSG_(\w+)", text))
        heard |= set(re.findall(r"\bmo_child_ask\([^;]*?MO_MSG_(\w+)", text))
        self.assertEqual(set(listed), heard)
        sent = set()
        for arguments in re.findall(r"\b(?:mo_message_new|report|mo_(?:successor|predecessor)_say|mo_word_tell|mo_question_ask)\(([^;]*)", text):
            sent |= set(re.findall(r"MO_MSG_(\w+)", arguments))
        self.assertEqual(set(listed), sent)

    def test_the_text_of_a_message_type_stands_once(self):
        """Nothing is sent or heard under a name that the list does not have."""
        for f in self.sources():
            text = read(os.path.relpath(f, SOURCE))
            self.assertNotRegex(text, r'strcmp\(\w+(?:->|\.)type,\s*"', f)
            self.assertNotRegex(text, r'"type",\s*"', f)

    def test_the_files_of_the_glossary_exist(self):
        rows = re.findall(r"(?m)^\|.*\|$", read("doc/glossary.md"))
        named = {f for row in rows for f in re.findall(r"`(src/[\w/.]+)`", row)}
        self.assertGreater(len(named), 30)
        for name in named:
            self.assertTrue(os.path.exists(os.path.join(SOURCE, name)), name)


class Manual(Case):
    def test_the_index_is_made_from_the_header(self):
        made = subprocess.check_output([sys.executable, os.path.join(SOURCE, "tools", "man_index.py")])
        self.assertEqual(made.decode(), read("man/libmolt.3"), "run tools/man_index.py >man/libmolt.3")

    def made(self):
        """{file name: text} of the pages of section 3, made from the header now."""
        place = self.directory()
        subprocess.check_call([sys.executable, os.path.join(SOURCE, "tools", "man3.py"), place])
        found = {}
        for name in os.listdir(place):
            with open(os.path.join(place, name), encoding="ascii") as f:
                found[name] = f.read()
        return place, found

    def test_the_index_has_every_function(self):
        text = read("man/libmolt.3")
        for name in functions():
            self.assertRegex(text, r"(?m)^\.Fn %s\b" % name)

    def test_every_function_and_type_leads_to_a_page_that_declares_it(self):
        _, made = self.made()
        types = re.findall(r"(?m)^(?:\} |enum |typedef (?:struct )?\w+ )(molt_\w+)(?:;| \{|\()", header.text())
        self.assertGreater((len(functions()), len(types)), (100, 15))
        for name in functions() + types:
            page = made[name + ".3"]
            if page.startswith(".so "):
                page = made[re.match(r"\.so man3/(\w+\.3)\n$", page).group(1)]
            if name in types:
                self.assertIn(".It Vt %s\n" % name, "".join(made.values()))
                continue
            synopsis, description = page.split(".Sh DESCRIPTION")[:2]
            for pattern, text in ((r"\.Nm %s\b", synopsis), (r"(?:\.F[no] )?%s\b", synopsis),
                                  (r"\.It Fn %s$", description)):
                self.assertTrue(re.search("(?m)^" + pattern % name, text), (pattern, name))

    def test_the_words_of_the_header_are_on_the_pages(self):
        """Every comment at the beginning of a line, but for marks, which THREADS tells."""
        lines = "".join(self.made()[1].values()).split("\n")
        pages_text = " ".join(" ".join(line for line in lines if not line.startswith(".")).split())
        pages_text = pages_text.replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")
        declared, seen = header.text(), 0
        for comment in re.findall(r"(?ms)^/\*(?! --)(.*?)\*/", declared[declared.index("---- servers"):]):
            words = " ".join(re.sub(r"(?m)^ \*", " ", comment).split())
            words = re.sub(r"( \[\w+\])+$", "", words)
            seen += 1
            self.assertTrue("[" in words or words in pages_text, words)
        self.assertGreater(seen, 80)

    def test_the_marks_of_the_header_are_in_threads(self):
        _, made = self.made()
        for name, anywhere, parks in (("molt_publish", True, False), ("molt_res_file", False, True),
                                      ("molt_restart", True, True), ("molt_log", True, False),
                                      ("molt_res_status", False, False)):
            page = made.get(name + ".3")
            page = made[page.split("/")[1].strip()] if page.startswith(".so") else page
            threads = page[page.index(".Sh THREADS"):page.index(".Sh SEE ALSO")]
            for words, wanted in (("may be called from any thread", anywhere), ("may suspend", parks)):
                said = [part for part in threads.split(".Pp\n") if words in part]
                self.assertEqual(any(re.search(r"\.Fn %s\b" % name, part) for part in said), wanted,
                                 (name, threads))

    def test_the_pages_of_the_build_are_those_of_the_header(self):
        for name, text in self.made()[1].items():
            with open(os.path.join(case.BUILD, "man", name), encoding="ascii") as f:
                self.assertEqual(f.read(), text, name)

    def test_pages_have_no_mistakes(self):
        place, made = self.made()
        paths = glob.glob(os.path.join(SOURCE, "man", "*.[1-8]"))
        paths += [os.path.join(place, name) for name in made if not made[name].startswith(".so")]
        self.assertGreater(len(paths), 12)
        for path in paths:
            try:
                done = subprocess.run(["groff", "-man", "-mdoc", "-ww", "-z", path],
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            except FileNotFoundError:
                raise unittest.SkipTest("no groff here")
            self.assertEqual((done.returncode, done.stdout), (0, b""), path)


if __name__ == "__main__":
    main()
