"""Reverse proxies before a program: nginx and HAProxy, started by hand in a directory
of the test and ended by pid.  nginx listens on a unix socket there; HAProxy, which
knows no client's address then and adds no field, on a port that it inherits."""
import os
import shutil
import socket
import subprocess
import unittest

from case import eventually

OTHER_USER = "nobody"

NGINX = """
{user}
daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
    uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
    server {{
        listen unix:{front};
        location / {{ proxy_pass http://{target}; {more} }}
    }}
}}
"""

HAPROXY = """
global
    {user}
defaults
    mode http
    timeout connect 10s
    timeout client 30s
    timeout server 30s
    {more}
frontend f
    bind fd@{front}
    default_backend b
backend b
    server s {target}
"""


def find(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not path:
        raise unittest.SkipTest("%s is not installed (tools/install-deps --test)" % name)
    return path


def need_other_user():
    if os.geteuid() != 0:
        raise unittest.SkipTest("not root: a proxy of another user cannot be started")


def _write(case, name, text):
    directory = case.directory()
    os.chmod(directory, 0o711)
    front = os.path.join(directory, "front")
    path = os.path.join(directory, name)
    with open(path, "w") as f:
        f.write(text(directory, front))
    return path, front


def _start(case, argv, path, **kw):
    log = open(path + ".log", "w+b")
    case.addCleanup(log.close)
    proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **kw)
    case.addCleanup(proc.wait)
    case.addCleanup(proc.terminate)
    return proc, log


def _run(case, argv, front):
    proc, log = _start(case, argv, front)

    def accepts():
        if proc.poll() is not None:
            log.seek(0)
            raise AssertionError("%s ended:\n%s" % (argv[0], log.read().decode()))
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(front) == 0

    case.assertTrue(eventually(accepts, 10), "%s does not listen" % argv[0])
    return front


def nginx(case, target, more="", other_user=False):
    """Path of the socket of an nginx that passes everything to target, which is
    "127.0.0.1:80" or "unix:/path"."""
    exe = find("nginx")
    own = "user root root;" if os.geteuid() == 0 else ""
    user = "user %s nogroup;" % OTHER_USER if other_user else own
    path, front = _write(case, "nginx.conf", lambda d, f: NGINX.format(
        user=user, dir=d, front=f, target=target, more=more))
    return _run(case, [exe, "-c", path, "-p", os.path.dirname(path), "-e", "stderr"], front)


def haproxy(case, target, more="", other_user=False):
    """The same of HAProxy, but its port."""
    exe = find("haproxy")
    user = "user %s\n    group nogroup" % OTHER_USER if other_user else ""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        fd = sock.fileno()
        path, _ = _write(case, "haproxy.cfg", lambda d, f: HAPROXY.format(
            user=user, front=fd, target=target, more=more))
        _start(case, [exe, "-db", "-f", path], path, pass_fds=[fd])
        return sock.getsockname()[1]
