"""15,000 idle connections move within a second, while 64 busy ones go on."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "restart")]
os.environ["MOLT_IDLE"] = "15000"
from case import main  # noqa: E402
import test_idle  # noqa: E402


class Idle(test_idle.Idle):
    alone = True


if __name__ == "__main__":
    main()
