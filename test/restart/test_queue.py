"""A thousand connections wait in the queue while the number of loops changes: 1, 2, 8
and back.  The listening socket is one for all loops and all generations, so none is
reset and none is forgotten."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import SHORT, main  # noqa: E402
from loadcase import Fast  # noqa: E402
from release import RestartCase  # noqa: E402

CLIENTS = 200 if SHORT else 1000
LOOPS = [1, 2, 8, 2, 1, 8, 1]
CONFIG = """
server:
  address: '127.0.0.1:0'
  graceful: true
  loops: %d
"""


class Queue(RestartCase):
    def waiting(self, port):
        """Connections in the queue of the listening socket, as the kernel tells."""
        with open("/proc/net/tcp") as f:
            for line in f:
                words = line.split()
                if words[3] == "0A" and words[1].endswith(":%04X" % port):
                    return int(words[4].partition(":")[2], 16)
        return 0

    def watch(self, port):
        while not self.over.is_set():
            n = self.waiting(port)
            self.most = max(self.most, n)
            if self.switching:
                self.most_then = max(self.most_then, n)

    def test_none_is_reset(self):
        self.over, self.switching = threading.Event(), False
        self.most = self.most_then = 0
        config = self.write("molt.yaml", CONFIG % LOOPS[0])
        srv = self.app(config, env={"MOLT_SERVER_ADDRESS": None})
        port, pids = srv.port, [srv.pid]
        watcher = threading.Thread(target=self.watch, args=(port,))
        watcher.start()
        with Fast(port, "new", CLIENTS) as run:
            for n in LOOPS[1:]:
                self.write("molt.yaml", CONFIG % n)
                self.switching = True
                pids.append(srv.restart())
                self.switching = False
                self.assertEqual(self.status(srv)["loops"], n)
                run.wait_count(run.count + 5 * CLIENTS)
            report = run.finish()
        self.over.set()
        watcher.join()
        print("loops %r: %d connections, at most %d waiting, %d in a restart; longest %.0f ms" % (
            LOOPS, report["ok"], self.most, self.most_then, report["longest_ms"]), flush=True)
        self.assertEqual(report["failed"], 0, report)
        self.assertEqual(len(set(pids)), len(LOOPS))
        self.assertTrue({str(p) for p in pids} <= set(report["pids"]), report["pids"])
        self.assertGreater(self.most_then, 0, "the queue was empty at each restart")


if __name__ == "__main__":
    main()
