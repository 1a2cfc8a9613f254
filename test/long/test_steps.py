"""5000 waiting requests through 20 restarts; see test/restart/test_steps.py."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "restart")]
os.environ.update(MOLT_STEPS_WAITING="5000", MOLT_STEPS_RESTARTS="20")
from case import main  # noqa: E402
from test_steps import Many  # noqa: E402, F401

if __name__ == "__main__":
    main()
