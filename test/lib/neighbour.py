"""The build of an earlier release, to restart into and out of: test/neighbour names its
commit.  Built once from the history of this repository, beside the build under test."""
import os
import subprocess
import unittest

from case import BUILD

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAME = os.path.join(ROOT, "test", "neighbour")
WANTED = "test/programs/app"


def commit():
    with open(NAME) as f:
        return f.read().split()[0]


def call(*argv, **kw):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, **kw)
    if done.returncode:
        said = done.stdout.decode(errors="replace")
        raise AssertionError("%s:\n%s" % (" ".join(argv), said[-5000:]))
    return done.stdout


def app():
    """The path of its test application.  Skips where the history is not there (a copy of the
    sources, a shallow clone)."""
    name = commit()
    if subprocess.run(["git", "-C", ROOT, "cat-file", "-e", name + "^{commit}"],
                      stderr=subprocess.DEVNULL).returncode:
        raise unittest.SkipTest("commit %s of test/neighbour is not in this clone's history"
                                % name[:12])
    where = os.path.join(os.path.abspath(BUILD), "neighbour", name[:12])
    if not os.path.exists(os.path.join(where, "build", WANTED)):
        os.makedirs(where, exist_ok=True)
        call("git", "-C", ROOT, "archive", "-o", os.path.join(where, "sources.tar"), name)
        call("tar", "-x", "-f", os.path.join(where, "sources.tar"), "-C", where)
        if not os.path.exists(os.path.join(where, "build", "build.ninja")):
            # What is looked at is what it says and understands: as little work as possible.
            call("meson", "setup", os.path.join(where, "build"), "-Doptimization=0", "-Ddebug=false", cwd=where,
                 env=dict(os.environ, CC="gcc"))
        call("ninja", "-C", os.path.join(where, "build"), WANTED)
    return os.path.join(where, "build", WANTED)
