"""A program under test: started, watched by its log, and ended by pid.

All generations share one log file and one session, so that the log tells their
pids and the session finds whoever is left at the end.
"""
import os
import re
import signal
import subprocess
import tempfile
import time

import procs

LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (\d+): (.*)$", re.M)
LISTENING = re.compile(
    r"^\S+ \S+ (\d+): (https?) server (started|restarted) listening on \[(\S+)\]$", re.M)
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|"
                       r"detected memory leaks")
SLOW = float(os.environ.get("MOLT_SLOW", "3" if os.environ.get("MOLT_SHORT") else "1"))


class NotReady(AssertionError):
    pass


class Listening:
    """One "listening" line of the log."""

    def __init__(self, match):
        self.pid = int(match.group(1))
        self.scheme = match.group(2)
        self.verb = match.group(3)
        self.address = match.group(4)
        port = self.address.rpartition(":")[2]
        self.port = int(port) if port.isdigit() else None

    def __repr__(self):
        return "%d %s %s [%s]" % (self.pid, self.scheme, self.verb, self.address)


def base_env(**extra):
    """Our environment without MOLT_ variables, plus extra (None removes)."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("MOLT_")}
    for key, value in extra.items():
        if value is None:
            env.pop(key, None)
        else:
            env[key] = str(value)
    return env


class Server:
    def __init__(self, argv, env=None, cwd=None, listeners=1, address="127.0.0.1:0", stdin=None,
                 stdout=None):
        """env: variables to add.  listeners: how many lines to wait for.
        address: MOLT_SERVER_ADDRESS, or None to leave it alone.
        stdout: for standard output and error, in place of the log that is watched."""
        self.argv = [str(a) for a in argv]
        extra = dict(env or {})
        if address is not None:
            extra.setdefault("MOLT_SERVER_ADDRESS", address)
        # Most tests expect the old generation to go as soon as it can.
        extra.setdefault("MOLT_SERVER_BAKETIME", "0s")
        self.env = base_env(**extra)
        self.cwd = cwd
        self.listeners = listeners
        self.stdin = stdin
        self.stdout = stdout
        self.proc = None
        fd, self.log_path = tempfile.mkstemp(prefix="molt-test-", suffix=".log")
        os.close(fd)

    # -- starting and stopping

    def spawn(self, executable=None):
        procs.become_subreaper()
        with open(self.log_path, "ab", buffering=0) as out:
            self.proc = subprocess.Popen(
                self.argv, executable=executable, env=self.env, cwd=self.cwd,
                stdin=self.stdin or subprocess.DEVNULL, stdout=self.stdout or out,
                stderr=self.stdout or out,
                start_new_session=True)
        return self

    def start(self, timeout=10):
        self.spawn()
        try:
            self.wait_listening(self.listeners, timeout)
        except BaseException:
            self.kill()
            raise
        return self

    def __enter__(self):
        return self if self.proc else self.start()

    def __exit__(self, *exc):
        self.stop()

    def pids(self):
        """Everyone of our session who is not a zombie."""
        return [p for p in procs.of_session(self.proc.pid) if procs.alive(p)]

    def nobody_left(self):
        """A look through /proc is no snapshot: it can miss a successor that was not
        yet there when it passed and a predecessor that is gone when it arrives."""
        if self.pids():
            return False
        time.sleep(0.05)
        return not self.pids()

    def kill(self):
        """Ends whoever is left, at once.  Returns their pids."""
        left = self.pids() if self.proc else []
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.proc:
            self.proc.wait()
        for pid in left:
            procs.wait_gone(pid, 5)
        return left

    def stop(self, timeout=10):
        """SIGTERM to every generation, then to those left SIGKILL.  Returns the
        pids that had to be killed; removes the log."""
        if not self.proc:
            return []
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        self.wait_empty(timeout)
        killed = self.kill()
        text = self.log()
        try:
            os.unlink(self.log_path)
        except FileNotFoundError:
            pass
        bad = SANITIZER.search(text)
        if bad:
            raise AssertionError("the sanitizer reported:\n" + text[bad.start():][:6000])
        return killed

    def wait_empty(self, timeout):
        """True when every process of the session has ended in time."""
        end = time.monotonic() + timeout * SLOW
        while True:
            self.proc.poll()
            if not self.pids():
                return True
            if time.monotonic() > end:
                return False
            time.sleep(0.02)

    def exit_code(self, timeout=10):
        """Exit code of the first generation; -signal; waits for it."""
        return self.proc.wait(timeout * SLOW)

    # -- the log

    def log(self, since=0):
        try:
            with open(self.log_path, "rb") as f:
                f.seek(since)
                return f.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def mark(self):
        """A place in the log, for since=."""
        return os.path.getsize(self.log_path)

    def wait_log(self, pattern, timeout=10, since=0):
        """Waits for a line; returns the match."""
        regex = re.compile(pattern, re.M)
        end = time.monotonic() + timeout * SLOW
        while True:
            found = regex.search(self.log(since))
            if found:
                return found
            if time.monotonic() > end:
                raise NotReady("no line /%s/ in the log:\n%s" % (pattern, self.log(since)[-4000:]))
            time.sleep(0.01)

    def listening(self, since=0):
        return [Listening(m) for m in LISTENING.finditer(self.log(since))]

    def wait_listening(self, n=1, timeout=10, since=0, not_pid=None):
        """Waits until n lines of one process say that it listens; returns them."""
        end = time.monotonic() + timeout * SLOW
        while True:
            by_pid = {}
            for line in self.listening(since):
                if line.pid != not_pid:
                    by_pid.setdefault(line.pid, []).append(line)
            for lines in by_pid.values():
                if len(lines) >= n:
                    return lines
            ended = self.proc.poll() is not None and self.nobody_left()
            if ended or time.monotonic() > end:
                raise NotReady("%s; its log:\n%s" % (
                    "the program ended" if ended else "no listening line", self.log(since)[-4000:]))
            time.sleep(0.01)

    def generations(self):
        """Pids in the order of their first "listening" line."""
        seen = []
        for line in self.listening():
            if line.pid not in seen:
                seen.append(line.pid)
        return seen

    # -- where it is

    @property
    def ports(self):
        first = self.listening()[0].pid
        return [line.port for line in self.listening() if line.pid == first]

    @property
    def port(self):
        return [port for port in self.ports if port][0]

    @property
    def scheme(self):
        return self.listening()[0].scheme

    @property
    def pid(self):
        """The newest generation that said it listens and lives."""
        for pid in reversed(self.generations()):
            if procs.alive(pid):
                return pid
        raise NotReady("no generation is alive; the log:\n" + self.log()[-4000:])

    # -- restarting by signal

    def restart(self, sig=signal.SIGUSR2, timeout=15, listeners=None):
        """Sends sig to the serving generation, waits for its successor's lines and
        until that one alone serves, and returns the successor's pid."""
        old, since = self.pid, self.mark()
        os.kill(old, sig)
        lines = self.wait_listening(listeners or self.listeners, timeout, since, not_pid=old)
        self.wait_log(r"generation \d+ \(pid %d\) serves" % lines[0].pid, since=since)
        return lines[0].pid
