"""1000 restarts in a row leave nothing behind; see test/restart/test_storm.py."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "restart")]
os.environ["MOLT_RESTARTS"] = "1000"
from case import main  # noqa: E402
from test_storm import Many  # noqa: E402, F401

if __name__ == "__main__":
    main()
