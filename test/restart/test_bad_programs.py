"""New programs that must not take over: the old one goes on serving, what
happened is told truly by the API, the receipt and the log, and the next good
restart works."""
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
from case import SLOW, eventually, main, program  # noqa: E402
from release import RestartCase  # noqa: E402


def loaded_size(elf):
    """Where the last part of a 64-bit ELF file that is loaded ends."""
    start, = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    parts = [struct.unpack_from("<IIQQQQ", elf, start + i * size) for i in range(count)]
    return max(offset + length for kind, _, offset, _, _, length in parts if kind == 1)


class BadProgram(RestartCase):
    """One server for each test, with a client that asks all the time."""

    def setUp(self):
        super().setUp()
        self.srv = self.app(env={"MOLT_SERVER_READYTIMEOUT": "2s"})
        self.old = self.srv.pid
        self.before = procs.descriptors(self.old)

    def refused(self, exe, status=None, phase=None, reason=None, **receipt):
        """The restart to exe fails as described, while every request is answered."""
        wrong, stop = [], threading.Event()

        def ask():
            while not stop.is_set():
                if self.fetch(self.srv, "/pid").body != b"%d\n" % self.old:
                    wrong.append("another process answered")
                stop.wait(0.01)

        asker = threading.Thread(target=ask)
        asker.start()
        since, start = self.srv.mark(), time.monotonic()
        answer = self.restart_api(self.srv, exe, timeout=60 * SLOW)
        took = time.monotonic() - start
        stop.set()
        asker.join()
        self.assertEqual(wrong, [])
        self.assertGreaterEqual(answer.status, 400, answer)
        if status:
            self.assertEqual(answer.status, status, answer)
        self.assertIs(answer.json["ok"], False)
        self.assertTrue(answer.json["reason"])
        words = self.last_lines(since, json.dumps(answer.json), reason)
        if reason:
            self.assertRegex(json.dumps(answer.json) + words, reason)
        if phase:
            self.told(answer.json["receipt"], phase, reason, receipt, words)
            self.told(self.status(self.srv)["receipts"][0], phase, reason, receipt, words)
        self.srv.wait_log(r"\[(WARN|ERROR)\]", since=since)
        self.still_fine()
        return took

    def last_lines(self, since, answer, reason):
        """What a program prints that a client chose is in the log alone, which a thread of its own
        writes: the answer may be here before."""
        end = time.monotonic() + 10 * SLOW
        while True:
            words = "\n".join(re.findall(r"its last lines: (.*)", self.srv.log(since)))
            if not reason or re.search(reason, answer + words) or time.monotonic() > end:
                return words
            time.sleep(0.01)

    def told(self, receipt, phase, reason, more, words):
        """phase: PREFLIGHT or SPAWN (nothing was started: refused), or INIT.  A
        program that ends at once may be noticed while it gets its OFFER."""
        early = phase in ("PREFLIGHT", "SPAWN")
        self.assertEqual(receipt["outcome"], "refused" if early else "failed", receipt)
        self.assertIn(receipt["phase"], (phase,) if early else ("OFFER", phase), receipt)
        if reason:
            self.assertRegex(json.dumps(receipt) + words, reason)
        self.assertNotIn("last_lines", receipt)
        for key, value in more.items():
            self.assertEqual(receipt.get(key), value, receipt)

    def still_fine(self):
        """Nobody but the old process is left, nothing leaked, and it restarts."""
        self.assertTrue(eventually(lambda: self.srv.pids() == [self.old], 3), self.srv.pids())
        self.assertEqual(procs.zombies_of(self.old), [])
        self.assertEqual(self.status(self.srv)["state"], "serving")
        self.assertTrue(
            eventually(lambda: len(procs.descriptors(self.old)) <= len(self.before) + 1, 3),
            "descriptors: %r, now %r" % (self.before, procs.descriptors(self.old)))
        self.old = self.restarted(self.srv)
        self.put("2", "good")
        self.old = self.restarted(self.srv, self.path("good"))
        self.assertEqual(self.build(self.srv), "2")
        # The descriptors of the first of a series are the measure for the next.
        self.assertTrue(eventually(lambda: len(self.srv.pids()) == 1, 5))
        self.before = procs.descriptors(self.old)


class Files(BadProgram):
    def test_missing(self):
        self.refused(self.path("missing"), 404, reason="missing.*No such file")

    def test_not_executable(self):
        self.write("plain", open(self.path("app"), "rb").read(), 0o644)
        self.refused(self.path("plain"), 422, reason="not executable|[Pp]ermission")

    def test_a_directory(self):
        os.mkdir(self.path("folder"))
        self.refused(self.path("folder"))

    def test_a_text(self):
        self.write("text", "hello, I am no program\n" * 100, 0o755)
        self.refused(self.path("text"), 422, "PREFLIGHT", "not a program")

    def test_an_empty_file(self):
        self.write("empty", "", 0o755)
        self.refused(self.path("empty"), 422, "PREFLIGHT")

    def test_a_file_cut_short(self):
        whole = open(self.path("app"), "rb").read()
        for size in (10, 100, 5000, loaded_size(whole) - 1):
            self.write("short", whole[:size], 0o755)
            self.refused(self.path("short"), 422, "PREFLIGHT")

    def test_a_program_for_another_machine(self):
        data = bytearray(open(self.path("app"), "rb").read())
        struct.pack_into("<H", data, 18, 0xf3)  # RISC-V
        self.write("foreign", bytes(data), 0o755)
        self.refused(self.path("foreign"), 422, "PREFLIGHT", "machine")

    def test_a_script_whose_interpreter_is_missing(self):
        self.write("script", "#!/no/such/interpreter\n", 0o755)
        self.refused(self.path("script"), 422, None, "interpreter /no/such/interpreter: No such file")

    def test_the_own_file_replaced_by_rubbish_by_signal(self):
        self.write("app.new", "rubbish", 0o755)
        os.rename(self.path("app.new"), self.path("app"))
        for sig in (signal.SIGUSR1, signal.SIGUSR2):
            since = self.srv.mark()
            os.kill(self.old, sig)
            self.srv.wait_log(r"%d: \[(WARN|ERROR)\].*not a program" % self.old, since=since)
        self.assertEqual(self.serving_pid(self.srv), self.old)
        self.put("2")
        self.restarted(self.srv)


class Ends(BadProgram):
    def test_exits_at_once(self):
        self.write("false", open("/bin/false", "rb").read(), 0o755)
        self.refused(self.path("false"), 502, "INIT", "exited with status 1", exit_status=1)

    def test_exits_with_success_at_once(self):
        self.refused(self.put_bad("exit_zero"), 502, "INIT", "exited with status 0", exit_status=0)

    def test_exits_after_a_second_with_a_last_word(self):
        took = self.refused(self.put_bad("exit_later"), 502, "INIT",
                            "cannot open the database: no such file", exit_status=1)
        self.assertGreater(took, 0.9)

    def test_crashes(self):
        self.refused(self.put_bad("crash"), 502, "INIT", "signal 11", signal=int(signal.SIGSEGV))

    def test_a_missing_shared_library_is_named(self):
        data = open(self.path("app"), "rb").read()
        self.assertIn(b"libuv.so.1\0", data)
        self.write("lost", data.replace(b"libuv.so.1\0", b"libuw.so.1\0"), 0o755)
        self.refused(self.path("lost"), 502, "INIT", r"libuw\.so\.1", exit_status=127)

    def test_bad_configuration(self):
        self.write("bad.yaml", "server:\n  keepAlive: perhaps\n")
        self.refused(self.put_bad("bad_config"), 502, "INIT", r"bad\.yaml:2", exit_status=1)

    def test_what_it_says_last_is_told_however_fast_it_ends(self):
        self.write("bad.yaml", "server:\n  keepAlive: perhaps\n")
        exe = self.put_bad("bad_config")
        for _ in range(20):
            self.refused(exe, 502, "INIT", r"bad\.yaml:2", exit_status=1)

    def test_cannot_bind_an_added_port(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            self.write("busy_address", "127.0.0.1:%d\n" % taken.getsockname()[1])
            self.refused(self.put_bad("cannot_bind"), 502, "INIT", "already in use")

    def test_listens_on_nothing(self):
        self.refused(self.put_bad("no_listener"), None, "INIT")


class Talkative(RestartCase):
    def test_a_history_of_long_last_words_does_not_stop_the_next_restart(self):
        srv = self.app()
        words = "\\n".join("%02d" % i + "\\001" * 500 for i in range(20))
        exe = self.write("talk", "#!/bin/sh\nprintf '%s\\n' >&2\nexit 1\n" % words, 0o755)
        os.rename(exe, self.path("app"))
        for _ in range(34):
            answer = self.restart_api(srv)
            self.assertEqual(answer.status, 502, answer)
            self.assertEqual(len(answer.json["receipt"]["last_lines"]), 20)
        # Only the last restart's: they may hold a secret.
        self.assertEqual([len(r.get("last_lines", [])) for r in self.status(srv)["receipts"]],
                         [20] + 31 * [0])
        self.put("1")
        self.restarted(srv)
        receipts = self.status(srv)["receipts"]
        self.assertEqual(receipts[0]["outcome"], "switched")
        self.assertEqual(receipts[1]["outcome"], "failed")


class Hangs(BadProgram):
    def hangs(self, way):
        took = self.refused(self.put_bad(way), 504, "INIT", "not ready within 2000 ms")
        self.assertGreater(took, 1.8)

    def test_hangs(self):
        self.hangs("hang")

    def test_hangs_and_is_deaf_to_polite_signals(self):
        self.hangs("hang_deaf")

    def test_starts_its_server_but_is_never_ready(self):
        self.hangs("never_ready")

    def test_speaks_nonsense(self):
        self.refused(self.put_bad("babble"), 502, "INIT")

    def test_speaks_what_is_nested_900_levels_deep(self):
        self.refused(self.put_bad("deep"), 502, "INIT", "no message of Molt")

    def test_closes_what_it_was_given(self):
        self.refused(self.put_bad("close_all"))

    def test_a_program_of_another_kind(self):
        self.write("sleep", "#!/bin/sh\nexec sleep 60\n", 0o755)
        self.refused(self.path("sleep"), 504, "INIT")

    def test_a_wrapper_that_does_not_exec(self):
        """Who said ready is dead, too, before the old one goes on."""
        self.write("wrapper", "#!/bin/sh\n'%s' \"$@\"\n" % self.put("2", "inner"), 0o755)
        self.refused(self.path("wrapper"), 502, "READY", "a wrapper script must exec the program")
        reason = self.restart_api(self.srv, self.path("wrapper")).json["reason"]
        spoke = int(re.search("pid ([0-9]+) reported ready", reason).group(1))
        self.assertFalse(procs.alive(spoke), reason)
        self.still_fine()

    def test_goes_into_the_background(self):
        for way in ("daemonize", "daemonize_late"):
            self.refused(self.put_bad(way), 502)

    def test_shutdown_while_it_hangs(self):
        exe = self.put_bad("hang")
        asker = threading.Thread(target=lambda: self.fetch(self.srv, "/restart?exe=" + exe))
        asker.start()
        self.assertTrue(eventually(lambda: len(self.srv.pids()) > 1, 30))
        os.kill(self.old, signal.SIGTERM)
        asker.join()
        self.assertEqual(self.srv.exit_code(30), 0)
        self.assertTrue(self.srv.wait_empty(30), "the hanging program is left behind")


class Statuses(BadProgram):
    """SIGCHLD is ignored, so the kernel reaps what ends and gives no status."""

    def app(self, *argv, **kw):
        self.put("1")
        ignoring = ("import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
                    "os.execv(sys.argv[1], sys.argv[1:])")
        return self.server([sys.executable, "-c", ignoring, self.path("app")], **kw)

    def test_failures_and_rollbacks_where_nobody_gives_a_status(self):
        with open("/proc/%d/status" % self.old) as f:
            ignored = int(re.search("SigIgn:\\s*([0-9a-f]+)", f.read()).group(1), 16)
        self.assertTrue(ignored >> (signal.SIGCHLD - 1) & 1)
        self.refused(self.put_bad("exit_zero"), 502, None, "it ended before it was ready")
        self.refused(self.put_bad("hang"), 504, "INIT", "not ready within 2000 ms")
        srv = self.app(env={"MOLT_SERVER_BAKETIME": "60s"})
        first = srv.pid
        os.kill(self.restarted(srv), signal.SIGKILL)
        srv.wait_log("is gone: it ended .* serves again")
        self.assertEqual(self.serving_pid(srv), first)


class Floods(BadProgram):
    """Programs that send without end: their deadlines count, and a shutdown is heard."""

    def test_a_flood_of_messages_does_not_hold_up_the_deadline(self):
        self.refused(self.put_bad("flood"))

    def test_a_flood_of_counts_does_not_make_the_process_grow(self):
        def megabytes(pid):
            return procs.status_field(pid, "VmHWM") >> 10
        pid, before = self.old, megabytes(self.old)
        asked, answer = threading.Event(), []

        def ask():
            answer.append(self.restart_api(self.srv, self.put_bad("flood_counts")))
            asked.set()

        threading.Thread(target=ask).start()
        self.assertTrue(asked.wait(60 * SLOW))
        self.assertGreaterEqual(answer[0].status, 400, answer)
        self.assertLess(megabytes(pid) - before, 32)
        self.still_fine()

    def test_shutdown_while_it_floods(self):
        exe = self.put_bad("flood")
        asker = threading.Thread(target=lambda: self.fetch(self.srv, "/restart?exe=" + exe))
        asker.start()
        self.assertTrue(eventually(lambda: len(self.srv.pids()) > 1, 30))
        os.kill(self.old, signal.SIGTERM)
        asker.join()
        self.assertEqual(self.srv.exit_code(30), 0)
        self.assertTrue(self.srv.wait_empty(30), "the flooding program is left behind")


class Paths(RestartCase):
    """JSON has no form for a path that is no UTF-8: a restart could tell nobody of it."""

    def app_of_such_a_path(self):
        os.mkdir(self.path("caf\udce9"))
        return self.put("1", "caf\udce9/app")

    def test_a_program_whose_path_is_no_utf8_serves_and_refuses_restarts_with_the_reason(self):
        srv = self.server([self.app_of_such_a_path()])
        self.assertEqual(self.status(srv)["exe"], self.path("caf\\xe9/app"))
        self.put("2", "good")
        for exe in (None, self.path("good")):
            answer = self.restart_api(srv, exe)
            self.assertEqual((answer.status, answer.json["error"]), (400, "EILSEQ"), answer)
            self.assertIn("UTF-8", answer.json["reason"])
        since = srv.mark()
        os.kill(srv.pid, signal.SIGUSR1)
        srv.wait_log("restart refused: the path of this program is no UTF-8 text", since=since)
        self.assertEqual(self.serving_pid(srv), srv.pid)

    def test_a_supervisor_does_not_begin_with_such_a_path(self):
        done = subprocess.run([program("src/cli/molt"), "run", "--", self.app_of_such_a_path()],
                              capture_output=True, timeout=20 * SLOW)
        self.assertEqual(done.returncode, 126, done)
        self.assertIn(b"is no UTF-8 text; rename it", done.stdout)


class Function(BadProgram):
    def test_molt_restart_returns_what_happened(self):
        self.write("false", open("/bin/false", "rb").read(), 0o755)
        self.write("text", "text", 0o755)
        self.write("plain", "x", 0o644)
        for exe, err in (("missing", "-2"), ("plain", "-13"), ("text", "-8"), ("false", "-10"),
                         (self.put_bad("hang"), "-110")):
            answer = self.text(self.srv, "/restart?exe=" + os.path.join(self.dir, exe))
            self.assertEqual(answer.split()[0], err, "%s: %s" % (exe, answer))
            receipt = json.loads(self.text(self.srv, "/receipt"))
            self.assertEqual(str(receipt["errno"]), err)
            self.assertIn(receipt["outcome"], ("failed", "refused"))
        self.still_fine()

    def test_failures_in_a_row_leave_nothing(self):
        self.write("false", open("/bin/false", "rb").read(), 0o755)
        for _ in range(30):
            self.assertEqual(self.restart_api(self.srv, self.path("false")).status, 502)
        self.still_fine()


if __name__ == "__main__":
    main()
