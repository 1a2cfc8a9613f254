"""Load through restarts over HTTP: strict clients, not one request may fail."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import main  # noqa: E402
from loadcase import LoadCase  # noqa: E402


class Http(LoadCase):
    def test_reused_connections(self):
        self.through_restarts("reused", mix="get")

    def test_new_connections(self):
        self.through_restarts("new", mix="get")

    def test_pausing_clients(self):
        self.through_restarts("pausing", clients=64, mix="get")

    def test_bodies_of_every_kind_on_reused_connections(self):
        self.through_restarts("reused", mix="get,post,chunked,split,slow")

    def test_bodies_of_every_kind_on_new_connections(self):
        self.through_restarts("new", mix="get,post,chunked,split,slow")

    def test_bodies_of_every_kind_from_pausing_clients(self):
        self.through_restarts("pausing", clients=64, mix="get,post,chunked,split,slow")

    def test_connections_that_do_not_move(self):
        env = {"MOLT_SERVER_HANDOVER": "false"}
        self.through_restarts("reused", mix="get,post,chunked,split,slow", env=env)
        self.through_restarts("pausing", clients=64, mix="get", env=env)

    def test_one_loop_then_four(self):
        self.through_restarts("reused", mix="get,post", env={"MOLT_SERVER_LOOPS": "1"})
        self.through_restarts("reused", mix="get,post", env={"MOLT_SERVER_LOOPS": "4"})

    def test_restarts_without_a_pause(self):
        self.through_restarts("reused", mix="get,post", pause=0)


if __name__ == "__main__":
    main()
