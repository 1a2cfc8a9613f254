"""Does the cost of a request stay flat when something grows: loops, connections,
routes?  Each is measured against the smallest of its row, in the same rounds."""
import peers
from measure import rounds, wrk

LOOPS = [1, 2, 4, 8]
CONNECTIONS = [1, 64, 1024, 4096, 15000]
ROUTES = [1, 100, 1000, 10000]


def url(server, path="/hello"):
    return "http://127.0.0.1:%d%s" % (server.port, path)


def grow(servers, load, count, base):
    try:
        return rounds(servers, load, count, base)
    finally:
        for server in {id(s): s for s in servers.values()}.values():
            server.stop()


def run(place, seconds, count):
    found = {}
    servers = {n: peers.molt(place, loops=n) for n in LOOPS}
    found["loops"] = grow(servers, lambda n, s: wrk(url(s), seconds, 64), count, 1)
    servers = {n: peers.molt(place, routes=n) for n in ROUTES}
    found["routes"] = grow(
        servers, lambda n, s: wrk(url(s, "/r%d/4711/items/42" % (n // 2)), seconds, 64), count, 1)
    for key, maker in (("connections", peers.molt), ("connections_floor", peers.floor)):
        server = maker(place)
        # wrk needs seconds to connect thousands; connecting them is part of the cost.
        found[key] = grow({n: server for n in CONNECTIONS},
                          lambda n, s: wrk(url(s), seconds + (2 if n > 64 else 0) + n / 2000, n),
                          min(count, 3), 64)
    return found
