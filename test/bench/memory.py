"""Memory of idle connections and of sleeping handlers, in user space (RssAnon of
all processes of the server; what the kernel keeps for a socket is the same for
all)."""
import socket
import ssl
import time

import peers
from measure import Failed

WHO = ["molt", "nginx", "h2o"]


def ask(server, path, context=None):
    s = socket.create_connection(("127.0.0.1", server.port), 10)
    if context:
        s = context.wrap_socket(s, server_hostname="localhost")
    s.sendall(b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path.encode())
    return s


def hear(s):
    if not s.recv(4096).startswith(b"HTTP/1.1 200"):
        raise Failed("no answer on an idle connection")


def unchecked():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def idle(place, name, count, tls):
    """Opens count connections, each of which has had one answer."""
    server = peers.MAKERS[name](place, tls=tls)
    context = unchecked() if tls else None
    kept = []
    try:
        for _ in range(50):  # what the first connections cost once
            s = ask(server, "/hello", context)
            hear(s)
            s.close()
        time.sleep(0.3)
        before = server.memory()
        for _ in range(count):
            s = ask(server, "/hello", context)
            hear(s)
            kept.append(s)
        time.sleep(0.5)
        after = server.memory()
        return {"bytes": (after - before) * 1024 / count, "total_kib": server.memory("VmRSS"),
                "count": count}
    finally:
        for s in kept:
            s.close()
        server.stop()


def sleepers(place, count=1000):
    server = peers.molt(place)
    kept = []
    try:
        s = ask(server, "/hello")
        hear(s)
        s.close()
        time.sleep(0.3)
        before = server.memory()
        kept = [ask(server, "/sleep") for _ in range(count)]
        time.sleep(2)
        after = server.memory()
        return {"bytes": (after - before) * 1024 / count, "count": count}
    finally:
        for s in kept:
            s.close()
        server.stop()


def goal(what, most, value):
    return {"what": what, "goal": most, "is": value, "met": value is not None and value <= most}


def run(place, plain=10000, tls=2000):
    found = {"plain": {}, "tls": {}, "sleepers": None}
    for kind, count in (("plain", plain), ("tls", tls)):
        for name in WHO:
            try:
                found[kind][name] = idle(place, name, count, kind == "tls")
            except (Failed, OSError) as why:
                found[kind][name] = {"failed": str(why)}
    found["sleepers"] = sleepers(place)

    def of(kind, name):
        return found[kind].get(name, {}).get("bytes")
    goals = [goal("bytes of user space per idle connection, plain", 1024, of("plain", "molt")),
             goal("the same, TLS", 12288, of("tls", "molt")),
             goal("bytes of user space per sleeping handler", 9216, found["sleepers"]["bytes"])]
    for kind in ("plain", "tls"):
        for other in ("nginx", "h2o"):
            if of(kind, "molt") is not None and of(kind, other) is not None:
                goals.append(goal("idle connection, %s: molt against %s" % (kind, other), 1.0,
                                  of(kind, "molt") / of(kind, other)))
    found["goals"] = goals
    return found
