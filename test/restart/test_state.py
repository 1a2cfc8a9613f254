"""Named state: what one generation gives, the next one takes, once; what nobody
takes goes on; what is not understood is told; a failed restart loses nothing."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
from case import SHORT, eventually, main  # noqa: E402
from release import RestartCase  # noqa: E402
from supervised import SupervisedCase  # noqa: E402

ENV = {"APP_STATE": "1"}


class State(RestartCase):
    def give(self, srv, key, **query):
        more = "".join("&%s=%s" % item for item in query.items())
        code, total = self.text(srv, "/state-give?key=%s%s" % (key, more)).split()
        self.assertEqual(code, "0")
        return total

    def take(self, srv, key):
        """(checksum, length, text, text of the descriptor), or None."""
        answer = self.text(srv, "/state-take?key=" + key).strip()
        code, total, length, rest = answer.split(" ", 3)
        if code == "-2":
            return None
        self.assertEqual(code, "0", answer)
        text, _, file = rest[1:-1].partition("] [")
        return total, int(length), text, file

    def told(self, srv):
        return self.newest_receipt(srv).get("state")

    def test_bytes_and_descriptor_arrive_once(self):
        srv = self.app(env=ENV)
        self.give(srv, "note", text="hello", fd=1)
        self.assertIsNone(self.take(srv, "note"))  # it is for the next one
        self.restarted(srv)
        self.assertEqual(self.take(srv, "note")[1:], (5, "hello", "file of note"))
        self.assertIsNone(self.take(srv, "note"))
        self.assertIsNone(self.take(srv, "never"))

    def test_a_program_takes_it_before_it_starts_its_server(self):
        srv = self.app(env=ENV)
        self.assertEqual(self.text(srv, "/state").split()[0], "none")
        self.give(srv, "boot", text="v1%20warm")
        self.restarted(srv)
        self.assertEqual(self.text(srv, "/state").split()[0], "warm")
        self.assertEqual(self.told(srv), {"offered": 2, "bytes": 7 + len(self.fresh(srv)),
                                          "taken": 1, "kept": 1, "refused": []})

    def fresh(self, srv):
        got = self.take(srv, "fresh")
        return got[2] if got else ""

    def test_the_freshest_state_is_given_when_a_successor_was_started(self):
        srv = self.app(env=ENV)
        first = srv.pid
        self.restarted(srv)
        self.assertEqual(self.fresh(srv), "offer 1 of pid %d" % first)

    def test_64_mebibytes(self):
        mib = 8 if SHORT else 64
        srv = self.app(env=ENV)
        total = self.give(srv, "big", mib=mib)
        self.restarted(srv)
        receipt = self.newest_receipt(srv)
        self.assertGreaterEqual(receipt["state"]["bytes"], mib << 20)
        self.assertEqual(self.take(srv, "big")[:2], (total, mib << 20))

    def test_100_keys_with_descriptors(self):
        srv = self.app(env=ENV)
        self.assertEqual(self.text(srv, "/state-many?n=100"), "100\n")
        second = self.restarted(srv)
        self.assertEqual(self.text(srv, "/state-many?n=100&take=1"), "100\n")
        before = len(procs.descriptors(second))
        self.assertEqual(self.text(srv, "/state-many?n=100&take=1"), "0\n")
        self.assertLess(before, 60)  # what was taken is not held any longer

    def test_a_version_that_is_not_understood_is_told(self):
        srv = self.app(env=ENV)
        self.give(srv, "boot", text="v7%20strange")
        second = self.restarted(srv)
        self.assertEqual(self.text(srv, "/state").split()[0], "none")
        refused = [{"key": "boot", "why": "only version 1 is known here"}]
        self.assertEqual(self.told(srv)["refused"], refused)
        srv.wait_log('%d: .*state "boot" is not understood: only version 1' % second)
        self.restarted(srv)
        self.assertEqual(self.told(srv)["refused"], [])  # it was thrown away

    def test_what_nobody_takes_goes_through_three_generations(self):
        srv = self.app(env=ENV)
        self.give(srv, "old", text="from+one", fd=1)
        self.give(srv, "both", text="one")
        self.restarted(srv)
        self.give(srv, "both", text="two")
        self.restarted(srv)
        self.restarted(srv)
        self.assertEqual(self.take(srv, "old")[2:], ("from one", "file of old"))
        self.assertEqual(self.take(srv, "both")[2], "two")

    def test_a_failed_restart_loses_nothing(self):
        srv = self.app(env=dict(ENV, MOLT_SERVER_READYTIMEOUT="500ms"))
        self.give(srv, "a", text="kept", fd=1)
        before = len(procs.descriptors(srv.pid))
        for way in ("crash", "exit_zero", "hang"):
            self.assertGreaterEqual(self.restart_api(srv, self.put_bad(way)).status, 400)
        self.assertTrue(eventually(lambda: len(procs.descriptors(srv.pid)) <= before + 2, 3))
        self.restarted(srv)
        self.assertEqual(self.take(srv, "a")[2:], ("kept", "file of a"))

    def test_a_taken_back_service_has_its_state_still(self):
        srv = self.app(env=dict(ENV, MOLT_SERVER_BAKETIME="30s"))
        self.give(srv, "a", text="mine")
        second = self.restarted(srv)
        self.assertEqual(self.take(srv, "a")[2], "mine")
        os.kill(second, signal.SIGKILL)
        srv.wait_log("serves again")
        self.restarted(srv)
        self.assertEqual(self.take(srv, "a")[2], "mine")

    def test_another_build_takes_it(self):
        srv = self.app(env=ENV)
        self.give(srv, "a", text="mine")
        self.put("2")
        self.restarted(srv)
        self.assertEqual(self.build(srv), "2")
        self.assertEqual(self.take(srv, "a")[2], "mine")


class AfterACrash(SupervisedCase):
    def test_there_is_none_below_a_supervisor(self):
        srv = self.supervised(env=ENV)
        self.text(srv, "/state-give?key=boot&text=v1%20warm")
        os.kill(self.serving_pid(srv), signal.SIGKILL)
        srv.wait_log("started again")
        self.assertEqual(self.text(srv, "/state").split()[0], "none")


if __name__ == "__main__":
    main()
