"""What a restart costs: until the new generation serves, what clients feel, how
fast connections move, and the CPU time of it.

Molt replaces its program.  The peers are asked for what they call a reload, which
is less: the same program reads a new configuration.  A generation is told from the
next by the text of its small answer (Molt: by its process id).
"""
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import time
import urllib.request

import peers
from measure import LOAD_CPU, Failed, cpu_of, pids_of, pinned, program, reap

CLIENTS, RATE, SECONDS = 32, 40, 5  # of the load while it restarts
EVERY = 1.0
SETTLED = 1.2  # between two commands: HAProxy's master loses one that comes too soon


def fetch(port, path="/hello"):
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        s.sendall(b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
                  % path.encode())
        data = b""
        while True:
            piece = s.recv(65536)
            if not piece:
                return data.partition(b"\r\n\r\n")[2].decode()
            data += piece


def pid_file(server):
    with open(os.path.join(os.path.dirname(server.log), "pid")) as f:
        return int(f.read())


def leader(server):
    """taskset has become the server itself."""
    return server.proc.pid


def molt_pid(server):
    return int(fetch(server.port, "/pid"))


def restart_molt(server):
    os.kill(molt_pid(server), signal.SIGUSR2)


def signal_leader(sig):
    return lambda server: os.kill(leader(server), sig)


def reload_caddy(server):
    subprocess.run(["caddy", "reload", "--adapter", "caddyfile", "--config", server.config,
                    "--address", "127.0.0.1:%d" % server.admin], env=server.env, check=True,
                   capture_output=True, timeout=30)


HOW = {"molt": restart_molt,
       "nginx": signal_leader(signal.SIGHUP),
       "haproxy": signal_leader(signal.SIGUSR2),
       "h2o": signal_leader(signal.SIGHUP),
       "caddy": reload_caddy,
       "apache": signal_leader(signal.SIGUSR1)}
# lighttpd's graceful restart closes its listeners for a moment and is left out.


def generation(name, server):
    return fetch(server.port, "/pid") if name == "molt" else fetch(server.port)


def is_new(name, old, new, now):
    """An error page is no new generation.  Caddy does not know of line ends in texts."""
    if name == "molt":
        return now.isdigit() and now != old
    return now.replace("\\n", "").strip() == new.strip()


def switch_once(name, server, number):
    """Milliseconds from the command to the first answer of the new generation, as
    a client with new connections sees it."""
    old, new = generation(name, server), "generation %d\n" % number
    if name != "molt":
        server.rewrite(new)
    start = time.monotonic()
    HOW[name](server)
    while time.monotonic() - start < 20:
        try:
            now = generation(name, server)
            if is_new(name, old, new, now):
                return (time.monotonic() - start) * 1000
        except OSError:
            pass  # counted by the stalls
        time.sleep(0.001)
    raise Failed("no new generation within 20 s")


def until_it_serves(place, name, count):
    server = peers.MAKERS[name](place, cpu=None) if name == "molt" else peers.MAKERS[name](place)
    try:
        took = []
        for n in range(count):
            time.sleep(SETTLED)
            took.append(switch_once(name, server, n))
        return {"ms": statistics.median(took), "longest_ms": max(took)}
    finally:
        server.stop()
        reap()


def feel(name, server, restarts):
    """paced_load at a rate that a machine of two cores can bear, and meanwhile a
    restart each second."""
    argv = pinned(LOAD_CPU, [program("paced_load"), server.port, SECONDS, CLIENTS, RATE, "/hello"])
    load = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    time.sleep(1.5)
    for n in range(restarts):
        if name != "molt":
            server.rewrite("generation s%d\n" % n)
        HOW[name](server)
        time.sleep(EVERY)
    out, _ = load.communicate(timeout=SECONDS + 60)
    if load.returncode != 0:
        raise Failed(out.strip()[-200:])
    answers, broken, reopened, _, p999, longest = out.split()
    return {"longest_ms": float(longest), "p999_ms": float(p999), "answers": int(answers),
            "failed": int(broken), "reopened": int(reopened)}


def middle(found):
    """Of several runs: medians of the times, sums of the counts."""
    return {key: statistics.median(f[key] for f in found) if key.endswith("_ms")
            else sum(f[key] for f in found) for key in found[0]}


def stalls(place, name, restarts, repeat):
    """Calm and restarting by turns: one hiccup of the machine is no result."""
    server = peers.MAKERS[name](place)
    calm, busy = [], []
    try:
        for _ in range(repeat):
            calm.append(feel(name, server, 0))
            busy.append(feel(name, server, restarts))
        return {"calm": middle(calm), "restarting": middle(busy), "restarts": restarts * repeat}
    finally:
        server.stop()
        reap()


def receipts(server):
    with urllib.request.urlopen("http://127.0.0.1:%d/debug/admin/status" % server.port) as f:
        return json.load(f)["receipts"]


def ended_children():
    """Seconds that those have run which ended and were reaped, generations among them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def moving(place, count, repeat):
    """Connections moved per second of the phases in which they move, and the CPU
    time of a restart that moves none."""
    server = peers.molt(place, bake=0)  # else the predecessor's drain is its standing by
    kept, rates, cpus = [], [], []
    try:
        for _ in range(repeat):
            reap()
            before = server.cpu() + ended_children()
            restart_and_wait(server)
            after = cpu_of(pids_of(server.proc.pid)) + ended_children()
            cpus.append((after - before) * 1000)
        for _ in range(count):
            s = socket.create_connection(("127.0.0.1", server.port), 10)
            s.sendall(b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            s.recv(4096)
            kept.append(s)
        for _ in range(repeat):
            receipt = restart_and_wait(server)
            ms = sum(p["ms"] for p in receipt["phases"] if p["phase"] in ("HANDOVER", "DRAIN"))
            rates.append(receipt["moved"] / ms * 1000)
        return {"per_second": statistics.median(rates), "count": count,
                "cpu_ms": statistics.median(cpus)}
    finally:
        for s in kept:
            s.close()
        server.stop()
        reap()


def restart_and_wait(server):
    old = molt_pid(server)
    os.kill(old, signal.SIGUSR2)
    end = time.monotonic() + 20
    while os.path.exists("/proc/%d" % old):
        reap()
        if time.monotonic() > end:
            raise Failed("the predecessor did not end within 20 s")
        time.sleep(0.01)
    return receipts(server)[0]


def goals_of(found):
    goals = []

    def goal(what, most, value, least=False):
        met = value is not None and (value >= most if least else value <= most)
        goals.append({"what": what, "goal": most, "is": value, "met": met, "least": least})

    def quickest(kind, *keys):
        values = []
        for name, r in found[kind].items():
            for key in keys:
                r = r.get(key, {}) if isinstance(r, dict) else {}
            if name != "molt" and isinstance(r, (int, float)):
                values.append(r)
        return min(values) if values else None
    serves = found["serves"].get("molt", {}).get("ms")
    goal("ms from command to new generation serving", 50, serves)
    if quickest("serves", "ms") is not None:
        goal("the same, against the quickest peer's reload", quickest("serves", "ms"), serves)
    longest = found["stalls"].get("molt", {}).get("restarting", {}).get("longest_ms")
    if longest is not None:
        goal("ms of the longest stall during restarts", 20, longest)
    if quickest("stalls", "restarting", "longest_ms") is not None:
        goal("the same, against the best peer", quickest("stalls", "restarting", "longest_ms"),
             longest)
    if found.get("moving"):
        goal("connections moved per second", 50000, found["moving"].get("per_second"), least=True)
    return goals


def each(names, measure):
    out = {}
    for name in names:
        try:
            out[name] = measure(name)
        except (Failed, OSError, subprocess.SubprocessError) as why:
            out[name] = {"failed": str(why)[:200]}
    return out


def run(place, count=7, restarts=3, repeat=3, connections=8000, stalled=True):
    found = {"serves": each(HOW, lambda name: until_it_serves(place, name, count)),
             "stalls": {}, "moving": None}
    if stalled:
        found["stalls"] = each(HOW, lambda name: stalls(place, name, restarts, repeat))
        found["moving"] = moving(place, connections, 5)
    found["goals"] = goals_of(found)
    return found
