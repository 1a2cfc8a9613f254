"""Bodies, uploads and slow readers through 36 restarts; see test/restart/test_once.py."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "restart")]
os.environ["MOLT_ONCE_RESTARTS"] = "36"
from case import main  # noqa: E402
from test_once import Once  # noqa: E402, F401

if __name__ == "__main__":
    main()
