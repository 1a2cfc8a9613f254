"""Times that are promised, alone on the machine: the predecessor accepts again within 50 ms,
the watchdog is fed at half its time."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "restart")]
import test_bake  # noqa: E402
import test_notify  # noqa: E402
import test_rollback  # noqa: E402
from case import main  # noqa: E402


class Budget(test_bake.Budget):
    alone = True


class Mute(test_bake.Mute):
    alone = True


class ByHand(test_rollback.RollbackCase):
    alone = True
    test_the_predecessor_serves_and_has_its_connections_again = \
        test_rollback.ByHand.test_the_predecessor_serves_and_has_its_connections_again


class Notify(test_notify.Notify):
    alone = True


if __name__ == "__main__":
    main()
