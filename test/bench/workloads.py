"""What is measured of single requests: the table of workloads, and how one is run.

A workload names who takes part, what cost it is divided by (its base), how the
load is made, and the goals: {(program, base): the most that the ratio may be}.
"""
import collections

import peers
from measure import Failed, program, rounds, run_load, wrk

BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
    "Accept-Language: en-US,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: http://127.0.0.1/somewhere/index.html",
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; seen=1",
    "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
)
CLOSE = ("Connection: close",)
FILE_SERVERS = ["molt", "nginx", "h2o", "lighttpd", "caddy", "apache"]
ALL = ["floor", "molt"] + peers.PEERS

Workload = collections.namedtuple(
    "Workload", "key title who base path load options goals")


def http(server, path, tls=False):
    return "%s://127.0.0.1:%d%s" % ("https" if tls else "http", server.port, path)


def get(connections=64, headers=(), script=None, tls=False):
    def load(name, server, path, seconds):
        return wrk(http(server, path, tls), seconds, connections, headers, script)
    return load


def handshakes(kind):
    def load(name, server, path, seconds):
        out = run_load([program("tls_load"), server.port, seconds, path, kind], seconds).split()
        answered, resumed = int(out[0]), int(out[1])
        if answered == 0:
            raise Failed("no answer")
        if kind == "resumed" and resumed < answered * 0.9:
            raise Failed("only %d of %d sessions were resumed" % (resumed, answered))
        return answered
    return load


def workload(key, title, who, base, path, load, goals=None, **options):
    return Workload(key, title, who, base, path, load, options, goals or {})


WORKLOADS = [
    workload("keepalive1", "keep-alive small GET, 1 connection", ALL, "floor", "/hello", get(1)),
    workload("keepalive64", "keep-alive small GET, 64 connections", ALL, "floor", "/hello",
             get(64), {("molt", "floor"): 1.05}),
    workload("keepalive512", "keep-alive small GET, 512 connections", ALL, "floor", "/hello",
             get(512)),
    workload("pipeline", "16 requests pipelined, 32 connections", ALL, "floor", "/hello",
             get(32, script="pipeline.lua"), {("molt", "floor"): 1.3, ("molt", "nginx"): 0.1}),
    workload("connect", "new connection per request", ALL, "nginx", "/hello",
             get(32, headers=CLOSE), {("molt", "nginx"): 0.9}, closes=True),
    workload("browser", "10 header fields of a browser", ALL, "floor", "/hello",
             get(64, headers=BROWSER), {("molt", "floor"): 1.1}),
    workload("json", "JSON made per request", ["floor", "molt"], "floor", "/json", get(64),
             {("molt", "floor"): 1.1}, body=65),
    workload("routes", "one of 1000 routes, two parameters", ["floor", "molt"], "floor",
             "/r777/4711/items/42", get(64), {("molt", "floor"): 1.1}, body=4),
    workload("upload", "16 KB body up", ["floor", "molt", "nginx"], "floor", "/upload",
             get(32, script="upload.lua")),
    workload("static1k", "static file, 1 KB", FILE_SERVERS, "nginx", "/static/1k", get(64),
             {("molt", "nginx"): 0.95}),
    workload("static64k", "static file, 64 KB", FILE_SERVERS, "nginx", "/static/64k", get(64),
             {("molt", "nginx"): 0.95}),
    workload("static10m", "static file, 10 MB", FILE_SERVERS, "nginx", "/static/10m", get(8),
             {("molt", "nginx"): 1.0}),
    workload("https", "HTTPS keep-alive, 64 connections", ["molt"] + peers.PEERS, "nginx",
             "/hello", get(64, tls=True), {("molt", "nginx"): 0.95}, tls=True),
    workload("handshake", "HTTPS, full handshake per request", ["molt"] + peers.PEERS, "nginx",
             "/hello", handshakes("full"), {("molt", "nginx"): 1.0}, tls=True),
    workload("resumed", "HTTPS, resumed handshake per request", ["molt"] + peers.PEERS, "nginx",
             "/hello", handshakes("resumed"), {("molt", "nginx"): 1.0}, tls=True),
    workload("accesslog", "access log on, against off", ["molt", "molt-log", "nginx", "nginx-log"],
             "molt", "/hello", get(64), {("molt-log", "molt"): 1.05}),
    workload("middleware", "middleware of depth 5, against none", ["molt", "molt-deep"], "molt",
             "/hello", get(64), {("molt-deep", "molt"): 1.02}),
]


def start_all(place, w, who):
    """{name: server}, and {name: why not}."""
    started, missing = {}, {}
    for name in who:
        kind, _, variant = name.partition("-")
        try:
            if variant == "deep" and "molt" in started:
                started[name] = started["molt"]  # the same server, another path
            else:
                started[name] = peers.MAKERS[kind](place, log=variant == "log", **w.options)
        except Failed as why:
            missing[name] = str(why)
    return started, missing


def run(place, w, seconds, count, only=None):
    """One workload: {"key":, "base":, "servers": {name: result}, "goals": [...]}"""
    who = [n for n in w.who if not only or n.partition("-")[0] in only]
    servers, missing = start_all(place, w, who)
    taking = dict(servers)

    def load(name, server, lasting=seconds):
        path = "/deep" + w.path if name.endswith("-deep") else w.path
        return w.load(name, server, path, lasting)
    try:
        for name, server in servers.items():  # warm: caches, pages, first connections
            try:
                load(name, server, min(seconds, 0.3))
            except Failed as why:
                missing[name] = str(why)
                del taking[name]
        if w.base not in taking:
            raise Failed("%s: %s" % (w.base, missing.get(w.base)))
        results = rounds(taking, load, count, w.base)
    finally:
        for server in {id(s): s for s in servers.values()}.values():
            server.stop()
    results.update({name: {"failed": why} for name, why in missing.items()})
    return {"key": w.key, "title": w.title, "base": w.base, "servers": results,
            "goals": judge(w, results)}


def judge(w, results):
    """[{"what":, "goal":, "is":, "met":}]; None where it could not be measured."""
    out = []
    for (name, base), most in w.goals.items():
        a, b = results.get(name, {}), results.get(base, {})
        value = a["us"] / b["us"] if "us" in a and "us" in b else None
        if value is not None and base == w.base:
            value = a["ratio"]
        out.append({"what": "%s: %s against %s" % (w.title, name, base), "goal": most,
                    "is": value, "met": value is not None and round(value, 2) <= most})
    return out
