"""Writes doc/performance.md from the results that bench.py has kept, and prints the
goals.  What cannot be computed, the explanations, is in notes.md and goes in as it
is."""
import json
import os
import textwrap

import peers
import workloads
from measure import HERE

PAGE = os.path.join(HERE, "..", "..", "doc", "performance.md")
NAMES = {"floor": "floor", "molt": "Molt", "nginx": "nginx", "haproxy": "HAProxy", "h2o": "h2o",
         "lighttpd": "lighttpd", "caddy": "Caddy", "apache": "Apache", "molt-log": "Molt, log on",
         "nginx-log": "nginx, log on", "molt-deep": "Molt, depth 5"}
BASE = {"floor": "the floor", "nginx": "nginx", "molt": "Molt"}

HEAD = """# Performance

`make bench` measures and writes this page; `make bench-quick` prints the goals in under two minutes.

The measure is **CPU time per answered request**: user and system time of all processes of a server, divided by the number of answers
that the load generator counted. The page gives this time as a ratio to another program that was measured in the same round. Rounds are
interleaved, and the tables have medians. Absolute times say more about a machine than about a server: on one core of a small
machine the kernel's socket work is seven eighths of the cost of a small answer.

The **floor** is `test/bench/floor.c`: bare epoll, one `recv()` and one `send()` a request, a fixed answer, no parser, one thread. The
floor shows the kernel's share; the rest of a server's cost is the server's own work.

"""

HOW = """## How it was measured

- %(machine)s. The server is pinned to one core, the load generator to another: wrk, `test/bench/tls_load.c`
  for handshakes, `test/bench/paced_load.c` for restarts (h2load neither resumes a session nor opens a closed connection again). Nothing leaves loopback.
- %(rounds)s. A ratio is taken within a round, so that a slow moment of the machine slows both programs.
- Load average while it ran: %(load)s.
- Each server: one worker, one thread (Caddy: one core; Apache: its 128 threads on one core), access log off, keep-alive without limit, its
  own defaults otherwise. nginx, HAProxy and Caddy answer a fixed text, h2o, lighttpd and Apache a file of 13 bytes.
  The configurations are in `test/bench/peers.py`.
- Versions: %(versions)s.

"""


def ratio(value):
    return "%.2f" % value if value < 9.95 else "%.0f" % value


def cell(result):
    if not result:
        return ""
    return "failed" if "failed" in result else ratio(result["ratio"])


def requests_table(found):
    order = ["floor", "molt"] + peers.PEERS
    lines = ["## Requests", "", "CPU time per request, relative to the program named in the second "
             "column; in brackets the lowest and the highest round of Molt.", "",
             "| workload | relative to | " + " | ".join(NAMES[n] for n in order) + " |",
             "|---|---|" + "---|" * len(order)]
    for w in workloads.WORKLOADS:
        f = found.get(w.key)
        if not f or any(n.endswith(("-log", "-deep")) for n in f["servers"]):
            continue
        row = []
        for n in order:
            r = f["servers"].get(n)
            text = cell(r)
            if n == "molt" and r and "spread" in r:
                text = "**%s** (%s to %s)" % (text, ratio(r["spread"][0]), ratio(r["spread"][1]))
            row.append(text)
        lines.append("| %s | %s | %s |" % (w.title, BASE[w.base], " | ".join(row)))
    lines.append("")
    for key in ("accesslog", "middleware"):
        f = found.get(key)
        if f:
            lines.append("- %s: %s." % (f["title"], ", ".join(
                "%s %s" % (NAMES[n], cell(r)) for n, r in f["servers"].items())))
    return lines + [""]


def number(value, digits=0):
    return ("{:,.%df}" % digits).format(value)


def memory_table(found):
    lines = ["## Memory", "", "User space (anonymous memory of all processes).", "",
             "| | Molt | nginx | h2o |", "|---|---|---|---|"]
    for kind, what in (("plain", "bytes per idle connection"), ("tls", "bytes per idle TLS connection")):
        row = [number(found[kind][n]["bytes"]) if "bytes" in found[kind][n] else "failed"
               for n in ("molt", "nginx", "h2o")]
        count = next((r["count"] for r in found[kind].values() if "count" in r), 0)
        lines.append("| %s (%s open) | %s |" % (what, number(count), " | ".join(row)))
        row = [number(found[kind][n]["total_kib"] / 1024, 1) if "bytes" in found[kind][n] else ""
               for n in ("molt", "nginx", "h2o")]
        lines.append("| whole process with them, MiB | %s |" % " | ".join(row))
    s = found["sleepers"]
    lines.append("| bytes per sleeping handler (%s asleep) | %s | | |" % (
        number(s["count"]), number(s["bytes"])))
    return lines + [""]


def restart_table(found):
    lines = ["## Restarts", "",
             "Molt replaces its program; the peers only read a new configuration. *Serves after* is the time from the command to the "
             "first answer of the new generation that a client with new connections gets (median, longest).  The stalls are "
             "seen by `test/bench/paced_load.c` with 32 kept connections and 1,280 requests a second in all, by turns undisturbed and with "
             "a restart each second (medians of three runs of 5 s). *Broken* counts requests whose connection broke, *reopened* connections that clients had to open again.", "",
             "| | serves after, ms | p99.9 calm, ms | p99.9 restarting | longest calm, ms | longest restarting | broken | reopened |",
             "|---|---|---|---|---|---|---|---|"]
    for name, r in found["serves"].items():
        s = found["stalls"].get(name, {})
        first = "failed" if "failed" in r else "%.1f (%.1f)" % (r["ms"], r["longest_ms"])
        if "calm" in s:
            rest = ["%.1f" % s[k][v] for v in ("p999_ms", "longest_ms")
                    for k in ("calm", "restarting")] + [
                        str(s["restarting"][k]) for k in ("failed", "reopened")]
        else:
            rest = ["failed" if "failed" in s else ""] * 6
        lines.append("| %s | %s | %s |" % (NAMES[name], first, " | ".join(rest)))
    m = found.get("moving")
    if m:
        lines += ["", "- Connections moved: %s per second (%s idle ones a restart, by the receipt)." % (
            number(m["per_second"]), number(m["count"])),
            "- CPU time of a restart with 1,000 routes and no connection, both processes: %.0f ms." % m["cpu_ms"]]
    return lines + [""]


def growth_table(found):
    lines = ["## Growth", "", "CPU time per keep-alive request of Molt when one thing grows, relative to "
             "the column that says 1.00. All on one core, so more loops show what sharing costs, "
             "not what more cores bring.", ""]
    for key, what in (("loops", "loops"), ("routes", "routes"), ("connections", "connections"),
                      ("connections_floor", "connections, the floor")):
        row = found.get(key, {})
        if "failed" in row:
            lines.append("%s: failed (%s)." % (what, row["failed"]))
            continue
        lines += ["| %s | " % what + " | ".join(number(int(n)) for n in row) + " |",
                  "|---|" + "---|" * len(row),
                  "| ratio | " + " | ".join(cell(r) for r in row.values()) + " |", ""]
    return lines


def goals_of(results):
    out = []
    for w in workloads.WORKLOADS:
        out += results.get(w.key, {}).get("goals", [])
    for part in ("memory", "restarts"):
        out += results.get(part, {}).get("goals", [])
    return out


def show(value):
    if value is None:
        return "not measured"
    return number(value) if value >= 100 else "%.1f" % value if value >= 20 else "%.2f" % value


def goal_lines(goals):
    lines = ["## Goals", "", "| goal | | measured | |", "|---|---|---|---|"]
    for g in goals:
        lines.append("| %s | %s %s | %s | %s |" % (
            g["what"], "≥" if g.get("least") else "≤", show(g["goal"]), show(g["is"]),
            "met" if g["met"] else "**missed**"))
    return lines + [""]


def print_goals(goals):
    for g in goals:
        print("%-8s %-66s %s %-8s is %s" % ("met" if g["met"] else "MISSED", g["what"],
                                            ">=" if g.get("least") else "<=", show(g["goal"]),
                                            show(g["is"])))
    missed = [g for g in goals if not g["met"]]
    print("%d of %d goals are met%s" % (len(goals) - len(missed), len(goals),
                                        "" if not missed else "; missed: " + "; ".join(
                                            g["what"] for g in missed)))


def machine():
    return "A machine of %d cores with Linux %s" % (os.cpu_count(),
                                                   ".".join(os.uname().release.split(".")[:2]))


def wrapped(text):
    """Paragraphs and list items anew in lines of 130; tables and headings as they are."""
    out, part = [], []

    def flush():
        if part:
            indent = "  " if part[0].startswith("- ") else ""
            out.append(textwrap.fill(" ".join(part), 130, subsequent_indent=indent,
                                     break_long_words=False, break_on_hyphens=False))
            part.clear()
    for line in text.split("\n"):
        if not line or line.startswith(("|", "#")):
            flush()
            out.append(line)
        else:
            if line.startswith("- "):
                flush()
            part.append(line.strip())
    flush()
    return "\n".join(out)


def write(results):
    about = results.get("about", {})
    text = HEAD + "\n".join(goal_lines(goals_of(results)))
    with open(os.path.join(HERE, "notes.md")) as f:
        text += "\n" + f.read() + "\n"
    text += "\n".join(requests_table(results)) + "\n"
    for key, table in (("memory", memory_table), ("restarts", restart_table),
                       ("growth", growth_table)):
        if key in results:
            text += "\n".join(table(results[key])) + "\n"
    text += HOW % {
        "machine": machine(), "rounds": about.get("rounds", ""),
        "load": about.get("load", ""),
        "versions": ", ".join("%s %s" % (NAMES[n], v) for n, v in peers.versions().items() if v)}
    with open(PAGE, "w") as f:
        f.write(wrapped(text).rstrip() + "\n")
    print("wrote " + os.path.normpath(PAGE))


def load_results(folder):
    results = {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if name.endswith(".json"):
            with open(os.path.join(folder, name)) as f:
                results[name[:-5]] = json.load(f)
    return results
