"""What the bench measures with: processes on one core, their CPU time, load from
another core, and medians of ratios taken in the same round.

CPU time is the kernel's count for whole processes in nanoseconds (user and
system, exited threads included), of all processes of the server's session.
"""
import ctypes
import ctypes.util
import os
import re
import signal
import socket
import statistics
import subprocess
import time

CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU = CPUS[0]
LOAD_CPU = CPUS[-1]
HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("MOLT_BENCH_BUILD",
                                       os.path.join(HERE, "..", "..", "build-bench")))


class Failed(Exception):
    """A measurement that could not be made; the report says why."""


def program(name):
    return os.path.join(BUILD, "test", "bench", name)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _may_be_preferred():
    try:
        return subprocess.run(["nice", "-n", "-10", "true"], capture_output=True).stderr == b""
    except OSError:
        return False


# Where it may (as root), the bench runs before others: what they do then slows it less.
PREFERRED = ["nice", "-n", "-10"] if _may_be_preferred() else []


def pinned(cpu, argv):
    return PREFERRED + ["taskset", "-c", str(cpu)] + [str(a) for a in argv]


# ---- the server's processes ----------------------------------------------------

def _session(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return int(f.read().rpartition(")")[2].split()[3])
    except (OSError, IndexError):
        return None


def pids_of(session):
    return [int(n) for n in os.listdir("/proc") if n.isdigit() and _session(int(n)) == session]


def cpu_of(pids):
    """Seconds that the processes have run.  The clock's number is how the kernel
    names another process's clock: ~pid << 3 | CPUCLOCK_SCHED."""
    total = 0.0
    for pid in pids:
        try:
            total += time.clock_gettime((~pid << 3) | 2)
        except OSError:
            pass  # it has ended
    return total


def memory_of(pids, field="RssAnon"):
    """KiB, summed over the processes."""
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/status" % pid) as f:
                found = re.search(r"^%s:\s+(\d+)" % field, f.read(), re.M)
        except OSError:
            continue
        total += int(found.group(1)) if found else 0
    return total


class Running:
    """A server of the bench, on the server's core, in a session of its own."""

    def __init__(self, argv, port, log, cwd=None, cpu=SERVER_CPU, env=None, wait=20):
        self.port = port
        self.log = log
        with open(log, "ab") as out:
            self.proc = subprocess.Popen(
                pinned(cpu, argv) if cpu is not None else [str(a) for a in argv],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd, env=env,
                start_new_session=True)
        try:
            self.wait_port(port, wait)
        except BaseException:
            self.stop()
            raise

    def wait_port(self, port, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.proc.poll() is not None and not self.pids():
                break
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.01)
        with open(self.log, errors="replace") as f:
            raise Failed("no server on port %d: %s" % (port, f.read()[-400:].strip()))

    def pids(self):
        return pids_of(self.proc.pid)

    def cpu(self):
        return cpu_of(self.pids())

    def memory(self, field="RssAnon"):
        return memory_of(self.pids(), field)

    def stop(self):
        for sig, seconds in ((signal.SIGTERM, 1.5), (signal.SIGKILL, 5)):
            end = time.monotonic() + seconds
            for pid in self.pids():
                try:
                    os.kill(pid, sig)
                except ProcessLookupError:
                    pass
            while time.monotonic() < end:
                if self.proc.poll() is not None and not self.pids():
                    return
                time.sleep(0.02)


def become_subreaper():
    """Processes that a restart leaves behind are ours to reap."""
    ctypes.CDLL(ctypes.util.find_library("c")).prctl(36, 1, 0, 0, 0)


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


# ---- load ------------------------------------------------------------------------

def run_load(argv, seconds, interrupt=False):
    """Its output.  interrupt: it is told to end after so many seconds."""
    load = subprocess.Popen(pinned(LOAD_CPU, argv), stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)
    try:
        if interrupt:
            try:
                out, _ = load.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                load.send_signal(signal.SIGINT)
        out, _ = load.communicate(timeout=seconds + 30)
    except subprocess.TimeoutExpired:
        load.kill()
        load.communicate()
        raise Failed("the load generator did not end: %s" % " ".join(map(str, argv))) from None
    if load.returncode != 0:
        raise Failed("%s: %s" % (argv[0], out.strip()[-300:]))
    return out


def wrk(url, seconds, connections=64, headers=(), script=None):
    """Answered requests.  Any other answer than 2xx or 3xx, and any error of a
    socket, makes the measurement void."""
    # It knows whole seconds only; interrupted it prints what it has.
    argv = ["wrk", "-t1", "-c%d" % connections, "-d%ds" % (seconds + 60), "--timeout", "10s"]
    for h in headers:
        argv += ["-H", h]
    if script:
        argv += ["-s", os.path.join(HERE, script)]
    out = run_load(argv + [url], seconds, interrupt=True)
    found = re.search(r"(\d+) requests in", out)
    bad = re.search(r"Non-2xx.*|Socket errors:.*", out)
    if not found or int(found.group(1)) == 0:
        raise Failed("wrk got no answer from %s" % url)
    if bad and not re.fullmatch(r"Socket errors: connect 0, read \d+, write 0, timeout 0",
                                bad.group(0)):
        raise Failed("wrk: %s" % bad.group(0))
    if bad and "Connection: close" not in headers:
        raise Failed("wrk: %s" % bad.group(0))
    return int(found.group(1))


def cost(server, load):
    """Microseconds of the server's CPU per answered request."""
    before = server.cpu()
    answered = load()
    return (server.cpu() - before) / answered * 1e6


def rounds(servers, load, count, base):
    """Interleaved: each round measures every server once.  Returns
    {name: {"us": median cost, "ratio": median of the ratios to base in the same
    round, "spread": (lowest, highest ratio)}}, and why a server has none."""
    costs = {name: [] for name in servers}
    failed = {}
    for n in range(count):
        order = list(servers)
        if n % 2:
            order.reverse()
        for name in order:
            if name in failed:
                continue
            try:
                costs[name].append(cost(servers[name], lambda: load(name, servers[name])))
            except Failed as why:
                failed[name] = str(why)
    if base in failed:
        raise Failed("%s: %s" % (base, failed[base]))
    result = {}
    for name in servers:
        if name in failed:
            result[name] = {"failed": failed[name]}
            continue
        ratios = [a / b for a, b in zip(costs[name], costs[base])]
        result[name] = {"us": statistics.median(costs[name]), "ratio": statistics.median(ratios),
                        "spread": [min(ratios), max(ratios)], "rounds": count}
    return result
