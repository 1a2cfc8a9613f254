"""No request under load takes longer than 1.5 s: some of the tests, alone on the machine."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "restart")]
from case import main  # noqa: E402
from loadcase import LoadCase  # noqa: E402
from test_load_http import Http  # noqa: E402
from test_load_https import Https  # noqa: E402


class Plain(LoadCase):
    alone = True
    test_reused_connections = Http.test_reused_connections
    test_new_connections = Http.test_new_connections


class Tls(LoadCase):
    alone = True
    through_tls = Https.through_tls
    test_reused_connections = Https.test_reused_connections


del Http, Https  # the others need not run again

if __name__ == "__main__":
    main()
