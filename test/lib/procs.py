"""Processes as /proc shows them.

A server under test replaces itself, so its processes are not all our children.
This module makes the test process the reaper of orphans (prctl subreaper): the
exit status of every generation can be read, and nothing is left unnoticed.
"""
import ctypes
import os
import signal
import time

PR_SET_CHILD_SUBREAPER = 36
_statuses = {}  # pid -> wait status, of those that were reaped here


def become_subreaper():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def _stat(pid):
    """(state, ppid, session, threads) or None."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as f:
            rest = f.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return rest[0].decode(), int(rest[1]), int(rest[3]), int(rest[17])


def state(pid):
    """'R', 'S', 'Z' ... or None when there is no such process."""
    s = _stat(pid)
    return s[0] if s else None


def kill(pid, sig=signal.SIGKILL):
    """Also one that has ended meanwhile."""
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass


def reap(pid):
    """Takes the exit status of an orphan of ours, when there is one."""
    if pid in _statuses:
        return
    try:
        got, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
    if got:
        _statuses[pid] = status


def alive(pid):
    """True while pid can still do something; a zombie cannot, once its other threads
    have ended as well: until then it has its descriptors, and no status yet."""
    s = _stat(pid)
    if s and s[0] == "Z" and s[3] <= 1:
        reap(pid)
        return False
    return s is not None


def pause(pid):
    """Stops pid, and returns when it has stopped: until one of its threads has been given a
    processor to hear of the signal, the others run on."""
    os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + 30
    while state(pid) not in ("T", "Z", None) and time.monotonic() < end:
        time.sleep(0.001)


def wait_gone(pid, timeout):
    """True when pid has ended in time."""
    end = time.monotonic() + timeout
    while alive(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def exit_status(pid, timeout=5):
    """Exit status of an ended orphan: 0..255, or -signal; None when unknown."""
    wait_gone(pid, timeout)
    reap(pid)
    if pid not in _statuses:
        return None
    return os.waitstatus_to_exitcode(_statuses[pid])


def of_session(sid):
    """Pids of the session, zombies included."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            s = _stat(int(name))
            if s and s[2] == sid:
                found.append(int(name))
    return found


def zombies_of(ppid):
    """Zombie children of a process."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            s = _stat(int(name))
            if s and s[0] == "Z" and s[1] == ppid:
                found.append(int(name))
    return found


def descriptors(pid):
    """{number: target} of the open descriptors."""
    out = {}
    base = "/proc/%d/fd" % pid
    for name in os.listdir(base):
        try:
            out[int(name)] = os.readlink(os.path.join(base, name))
        except OSError:
            pass
    return out


def status_field(pid, field):
    """A number of /proc/PID/status: VmRSS (KiB), Threads ..."""
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            name, _, value = line.partition(":")
            if name == field:
                return int(value.split()[0])
    raise KeyError(field)


def environment(pid):
    """The environment that pid was started with, as a dict."""
    with open("/proc/%d/environ" % pid, "rb") as f:
        pairs = [p.partition(b"=") for p in f.read().split(b"\0") if p]
    return {k.decode(errors="replace"): v.decode(errors="replace") for k, _, v in pairs}
