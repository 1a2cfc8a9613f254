"""systemd as pid 1 in namespaces of this machine: a small machine of one's own.

    machine.why_not()   None, or why it cannot be had here
    Machine(programs)   started and up; its network is this process's own

The whole process goes into a network namespace of its own, so its loopback is the
machine's, and the ordinary clients of the tests reach what systemd starts there.
Nothing of it stays: root and state are in memory, and the end of pid 1 is the end of
all its processes.
"""
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import SLOW, SOURCE, eventually  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SYSTEMD = "/lib/systemd/systemd"
NAMESPACES = ["--mount", "--pid", "--ipc", "--uts", "--cgroup"]
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
UP = 60  # s

libc = ctypes.CDLL(None, use_errno=True)


def cgroup2():
    """Where the unified hierarchy is mounted, or None."""
    with open("/proc/self/mounts") as f:
        for line in f:
            _, where, kind = line.split()[:3]
            if kind == "cgroup2":
                return where
    return None


def why_not():
    """None, or the reason why there can be no such machine here."""
    if os.geteuid() != 0:
        return "systemd as pid 1 needs root"
    if not os.path.exists(SYSTEMD):
        return "no systemd is installed here"
    for name in ("unshare", "nsenter", "ip", "systemctl"):
        if not shutil.which(name):
            return "no %s here" % name
    place = cgroup2()
    if not place:
        return "no cgroup2 is mounted here"
    try:
        os.rmdir(tempfile.mkdtemp(prefix="molt-test-", dir=place))
    except OSError as e:
        return "no control group can be made here: %s" % e.strerror
    work = tempfile.mkdtemp(prefix="molt-test-")
    try:
        done = subprocess.run(
            ["unshare", "--fork", "--net"] + NAMESPACES +
            ["sh", "-c", "mount --make-rprivate / && mount -t tmpfs none %s && cd %s && "
             "mkdir u w r && mount -t overlay -o lowerdir=/,upperdir=u,workdir=w none r && "
             "mount -t proc proc r/proc && mount -t cgroup2 none r/sys" % (work, work)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=60)
    finally:
        os.rmdir(work)
    if done.returncode:
        return "no namespaces for systemd here: " + done.stdout.decode(errors="replace").strip()
    return None


def own_network():
    """This process, and what it starts from now on, has a loopback of its own."""
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def clear_group(path):
    """Removes a control group and those below it, when nobody is in them any more."""
    for folder, _, _ in os.walk(path, topdown=False):
        try:
            os.rmdir(folder)
        except OSError:
            return False
    return True


class Failed(AssertionError):
    pass


class Machine:
    """start() it, run() commands in it, stop() it."""

    def __init__(self, programs):
        """programs: {name below /usr/local/bin: path here}"""
        self.shared = tempfile.mkdtemp(prefix="molt-test-")
        os.chmod(self.shared, 0o777)
        os.mkdir(self.path("work"))
        os.mkdir(self.path("bin"))
        for name, path in programs.items():
            shutil.copy2(path, self.path("bin", name))
        self.group = tempfile.mkdtemp(prefix="molt-test-", dir=cgroup2())
        self.outer = self.pid = None

    def path(self, *parts):
        """Below the folder that both sides see at the same path."""
        return os.path.join(self.shared, *parts)

    def controllers(self):
        """The controllers of control groups that systemd has here."""
        with open(os.path.join(self.group, "cgroup.controllers")) as f:
            return f.read().split()

    def start(self):
        def enter():
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            with open(os.path.join(self.group, "cgroup.procs"), "w") as f:
                f.write(str(os.getpid()))

        with open(self.path("console"), "wb") as out:
            self.outer = subprocess.Popen(
                ["unshare", "--fork", "--kill-child"] + NAMESPACES +
                [os.path.join(HERE, "machine-init"), self.path("work"), self.shared],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=enter)
        up = eventually(lambda: os.path.exists(self.path("up")) or self.outer.poll() is not None, UP)
        if not up or self.outer.poll() is not None:
            said = self.console()
            self.stop()
            raise Failed("systemd did not come up: " + said)
        children = "/proc/%d/task/%d/children" % (self.outer.pid, self.outer.pid)
        with open(children) as f:
            self.pid = int(f.read().split()[0])
        return self

    def console(self):
        with open(self.path("console"), errors="replace") as f:
            return f.read()[-4000:]

    def stop(self):
        """The end of pid 1 ends everything in its namespace."""
        if self.outer:
            if self.pid:
                os.kill(self.pid, signal.SIGKILL)
            else:
                self.outer.kill()
            self.outer.wait()
            self.outer = self.pid = None
        gone = eventually(lambda: clear_group(self.group), 10)
        shutil.rmtree(self.shared, True)
        if not gone:
            raise Failed("processes of the machine are left")

    # -- in the machine

    def argv(self, *command):
        return ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--ipc", "--uts",
                "--cgroup", "--"] + list(command)

    def run(self, *command, timeout=60):
        """The finished process; .stdout holds what it said, as text."""
        return subprocess.run(self.argv(*command), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=timeout * SLOW)

    def begin(self, *command):
        return subprocess.Popen(self.argv(*command), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def ok(self, *command, **kw):
        done = self.run(*command, **kw)
        if done.returncode:
            raise Failed("%s: exit code %d: %s" % (" ".join(command), done.returncode, done.stdout))
        return done.stdout

    def write(self, path, text, mode=0o644):
        """A file in the machine; its folder is made."""
        folder, name = os.path.split(path)
        staged = self.path("staged")
        with open(staged, "w") as f:
            f.write(text)
        self.ok("install", "-D", "-m", "%o" % mode, staged, path)
        os.unlink(staged)

    def put(self, program, path):
        """Replaces a program in the machine as installers do: by a rename."""
        shutil.copy2(program, self.path("staged"))
        self.ok("sh", "-c", "install -m 755 '%s' '%s.new' && mv '%s.new' '%s'"
                % (self.path("staged"), path, path, path))

    def show(self, unit, *names):
        """Properties of a unit: a value, or a list of them."""
        text = self.ok("systemctl", "show", unit, "--property=" + ",".join(names))
        found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        values = [found.get(n, "") for n in names]
        return values[0] if len(values) == 1 else values

    def main_pid(self, unit):
        """As the machine counts pids."""
        return int(self.show(unit, "MainPID"))

    def pids(self, unit):
        """Whoever is in the unit's control group, as the machine counts pids."""
        group = self.show(unit, "ControlGroup")
        if not group:
            return []
        done = self.run("cat", "/sys/fs/cgroup" + group + "/cgroup.procs")
        return [int(p) for p in done.stdout.split()] if done.returncode == 0 else []

    def kill(self, pid, sig=signal.SIGKILL):
        """By the number that the machine gives it."""
        self.ok("kill", "-%d" % int(sig), str(pid))

    def journal(self, unit):
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--no-pager", "-o", "short-monotonic", "-u", unit).stdout

    def unit_file(self, name):
        """A shipped unit, put where an administrator would put it."""
        with open(os.path.join(SOURCE, "packaging", "systemd", name)) as f:
            self.write("/etc/systemd/system/" + name, f.read())

    def drop_in(self, unit, text):
        self.write("/etc/systemd/system/%s.d/test.conf" % unit, text)
