"""The record of the last 32 restarts: kept from generation to generation, whatever
became of them."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import procs  # noqa: E402
from case import eventually, main  # noqa: E402
from release import RestartCase  # noqa: E402
from supervised import SupervisedCase  # noqa: E402

KEPT = 32


class Receipts(RestartCase):
    def outcomes(self, srv):
        return [(r["outcome"], r["generation"]) for r in self.status(srv)["receipts"]]

    def test_the_last_32_go_on_to_the_next_generation(self):
        srv = self.app()
        self.restarted(srv)
        for _ in range(KEPT):
            self.assertEqual(self.text(srv, "/restart?exe=" + self.path("missing")).split()[0], "-2")
        ids = [r["id"] for r in self.status(srv)["receipts"]]
        self.assertEqual(len(set(ids)), KEPT)
        self.assertEqual(self.outcomes(srv), [("refused", 2)] * KEPT)
        self.restarted(srv)
        # The newest comes to the successor a moment after the answer.
        self.assertTrue(eventually(lambda: self.outcomes(srv)[0] == ("switched", 2)))
        receipts = self.status(srv)["receipts"]
        self.assertEqual([r["outcome"] for r in receipts], ["switched"] + ["refused"] * (KEPT - 1))
        self.assertEqual([r["id"] for r in receipts[1:]], ids[:-1])

    def test_they_survive_a_service_taken_back(self):
        srv = self.app(env={"MOLT_SERVER_BAKETIME": "30s"})
        self.assertEqual(self.restart_api(srv, self.put_bad("crash")).status, 502)
        os.kill(self.restarted(srv), signal.SIGKILL)
        srv.wait_log("serves again")
        back = [("taken back", 1), ("failed", 1)]
        self.assertTrue(eventually(lambda: self.outcomes(srv) == back), self.outcomes(srv))
        self.restarted(srv)
        # Its own comes to the successor a moment after the answer.
        whole = [("switched", 1), ("taken back", 1), ("failed", 1)]
        self.assertTrue(eventually(lambda: self.outcomes(srv) == whole), self.outcomes(srv))

    def test_what_the_new_one_recorded_is_there_when_the_old_one_serves_again(self):
        for back in ("hand", "crash"):
            srv = self.app(env={"MOLT_SERVER_BAKETIME": "60s"})
            first, second = srv.pid, self.restarted(srv)
            self.assertEqual(self.restart_api(srv, self.put_bad("crash")).status, 502)
            if back == "hand":
                self.assertEqual(self.admin(srv, "rollback").status, 200)
            else:
                os.kill(second, signal.SIGKILL)
                srv.wait_log("serves again")
            self.assertEqual(self.serving_pid(srv), first)
            now = [("failed", 2), ("rolled back" if back == "hand" else "taken back", 1)]
            self.assertTrue(eventually(lambda: self.outcomes(srv) == now), self.outcomes(srv))
            self.restarted(srv)
            whole = [("switched", 1), *now]
            self.assertTrue(eventually(lambda: self.outcomes(srv) == whole), self.outcomes(srv))
            srv.stop()

    def test_the_end_of_an_old_generation_is_in_the_log_and_in_the_record(self):
        srv = self.app(env={"MOLT_SERVER_BAKETIME": "0s"})
        first = srv.pid
        self.restarted(srv)
        drained = eventually(lambda: self.status(srv)["receipts"][0].get("drained"))
        self.assertEqual(drained["cut"], 0)
        srv.wait_log(r"%d: restart 1\.%d\.1 has ended: switched, \d+ connections moved, "
                     r"0 requests cut, drained in \d+ ms" % (first, first))


class Supervised(SupervisedCase):
    def test_they_survive_the_death_of_every_generation(self):
        srv = self.supervised(env={"MOLT_SERVER_BAKETIME": "30s"})
        self.molt("restart")
        second = self.serving_pid(srv)
        self.assertRegex(self.molt("status").stdout, r"(?m)^draining    generation 1, pid \d+$")
        self.molt("restart", "--exe", self.path("missing"), code=1)
        left = [p for p in srv.pids() if p != srv.proc.pid]
        self.assertIn(second, left)
        self.assertEqual(len(left), 2)
        for pid in left:
            procs.pause(pid)  # nobody takes back what is killed first
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        self.assertTrue(eventually(lambda: self.serving_pid(srv) not in left, 10))
        outcomes = [r["outcome"] for r in self.molt_json("history")]
        self.assertEqual(outcomes[0], "crashed")
        self.assertIn("switched", outcomes)
        self.molt("restart")
        self.assertTrue(eventually(
            lambda: [r["outcome"] for r in self.molt_json("history")][1:] == outcomes))


if __name__ == "__main__":
    main()
