"""A service manager's notification socket, as small as it can be."""
import select
import socket
import struct
import time

from server import SLOW


class Peer:
    """Collects the datagrams: self.seen is a list of Message."""

    def __init__(self, path):
        """path: of the socket, or "@name" for the abstract namespace."""
        self.path = path
        self.seen = []
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.sock.bind("\0" + path[1:] if path.startswith("@") else path)
        self.sock.setblocking(False)

    def close(self):
        self.sock.close()

    def read(self):
        """Takes what is there."""
        while True:
            try:
                data, ancillary, _, _ = self.sock.recvmsg(65536, socket.CMSG_SPACE(12))
            except BlockingIOError:
                return self.seen
            pid = next((struct.unpack("iII", d[:12])[0] for _, kind, d in ancillary
                        if kind == socket.SCM_CREDENTIALS), 0)
            self.seen.append(Message(pid, data.decode()))

    def wait(self, since=0, timeout=10, pid=None, **wanted):
        """The first message from number since on that has these values (None: any);
        returns (its number, it)."""
        end = time.monotonic() + timeout * SLOW
        while True:
            self.read()
            for i, m in enumerate(self.seen[since:], since):
                if (pid is None or m.pid == pid) and all(
                        k in m and v in (None, m[k]) for k, v in wanted.items()):
                    return i, m
            left = end - time.monotonic()
            if left < 0:
                raise AssertionError("no message %r from %r; there are %r" % (
                    wanted, pid or "anybody", self.seen[since:]))
            select.select([self.sock], [], [], left)


class Message(dict):
    """The values of one datagram, and who sent it as the kernel says."""

    def __init__(self, pid, text):
        super().__init__(line.split("=", 1) for line in text.splitlines())
        self.pid = pid

    def __repr__(self):
        return "%d: %s" % (self.pid, super().__repr__())
