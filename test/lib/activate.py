"""Starts a program with sockets passed as a service manager does:

    python3 activate.py NAME=ADDRESS[,NAME=ADDRESS ...] PROGRAM [ARG ...]

ADDRESS: "127.0.0.1:PORT", a path, "dgram" or "mute" (bound, not listening).
LISTEN_PID and LISTEN_FDNAMES that are set stay as they are.
"""
import os
import socket
import sys

FIRST = 3


def open_socket(address):
    if address == "dgram":
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("127.0.0.1", 0))
        return s
    if address.startswith("/"):
        s = socket.socket(socket.AF_UNIX)
        s.bind(address)
        s.listen(64)
        return s
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if address == "mute":
        s.bind(("127.0.0.1", 0))
        return s
    host, _, port = address.partition(":")
    s.bind((host, int(port)))
    s.listen(64)
    return s


def main():
    wanted = [item.split("=", 1) for item in sys.argv[1].split(",")]
    sockets = [os.dup(open_socket(address).detach()) for _, address in wanted]
    high = [os.dup2(fd, 200 + i) for i, fd in enumerate(sockets)]
    for i, fd in enumerate(high):
        os.dup2(fd, FIRST + i, inheritable=True)
    os.closerange(FIRST + len(wanted), 300)
    os.environ["LISTEN_FDS"] = str(len(wanted))
    if "LISTEN_PID" not in os.environ:
        os.environ["LISTEN_PID"] = str(os.getpid())
    if "LISTEN_FDNAMES" not in os.environ:
        os.environ["LISTEN_FDNAMES"] = ":".join(name for name, _ in wanted)
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
