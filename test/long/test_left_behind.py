"""A drain ends although a handler holds its event loop for ever: each step of the end waits
a second for that loop, then the process leaves the handler behind."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import Case, main, program  # noqa: E402
from rawhttp import Broken  # noqa: E402


class LeftBehind(Case):
    def test_by_a_shutdown(self):
        srv = self.server(program("test/programs/app"),
                          env={"MOLT_SERVER_GRACEFULSHUTDOWNTIMEOUT": "1ms"})
        hog = self.held(srv, "/hog")
        os.kill(srv.pid, signal.SIGTERM)
        self.assertEqual(srv.exit_code(60), 1)
        srv.wait_log("a handler did not return within .* leaving it behind")
        with self.assertRaises((Broken, ConnectionResetError)):
            hog.conn.answer()


if __name__ == "__main__":
    main()
