"""The whole grid of faults; see test/restart/test_faults.py and doc/faults.md."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "restart")]
os.environ["MOLT_FAULTS_ALL"] = "1"
from case import main  # noqa: E402
import test_faults  # noqa: E402


class Grid(test_faults.Grid):
    alone = True


if __name__ == "__main__":
    main()
