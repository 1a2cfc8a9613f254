"""1000 WebSockets, half of them active, through 20 restarts; see test/restart/test_ws.py."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "restart")]
os.environ["MOLT_WS_SOCKETS"] = "1000"
os.environ["MOLT_WS_RESTARTS"] = "20"
from case import main  # noqa: E402
from test_ws import Moves  # noqa: E402, F401

if __name__ == "__main__":
    main()
