"""A small HTTP server whose reload (SIGHUP) treats its clients in a chosen way,
for what judges servers:

    python3 reloader.py MODE

  clean      nothing happens to anybody
  announced  the next answer on each connection says Connection: close
  cut        every connection is cut, requests under way with it
  truncated  the next answer of each connection breaks off in its body
  deaf       no connection is answered any more
  sick       each answer from then on has status 500
  login      nothing happens; a request without "X-Login: yes" has status 401

It prints its port and serves until it is ended."""
import os
import select
import signal
import socket
import struct
import sys

ANSWER = b"HTTP/1.1 %s\r\nContent-Length: 5\r\n%s\r\nhello"


class Reloader:
    def __init__(self, mode):
        self.mode = mode
        self.reloads = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.listener.setblocking(False)
        self.poll = select.epoll()
        self.poll.register(self.listener.fileno(), select.EPOLLIN)
        self.conns = {}   # descriptor -> [socket, unread bytes, reloads it has seen]
        self.wake, wake = os.pipe()
        self.poll.register(self.wake, select.EPOLLIN)
        signal.signal(signal.SIGHUP, lambda *_: os.write(wake, b"x"))

    def close(self, fd, reset=False):
        sock = self.conns.pop(fd)[0]
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    def reload(self):
        os.read(self.wake, 1)
        self.reloads += 1
        if self.mode == "cut":
            for fd in list(self.conns):
                self.close(fd, reset=True)

    def accept(self):
        try:
            while True:
                sock, _ = self.listener.accept()
                sock.setblocking(False)
                self.conns[sock.fileno()] = [sock, b"", self.reloads]
                self.poll.register(sock.fileno(), select.EPOLLIN)
        except BlockingIOError:
            pass

    def answer(self, fd):
        conn = self.conns[fd]
        old = conn[2] != self.reloads
        if old and self.mode == "deaf":
            return
        if old and self.mode == "truncated":
            conn[0].send(ANSWER[:-2] % (b"200 OK", b""))
            return self.close(fd)
        if self.mode == "sick" and self.reloads:
            conn[0].send(ANSWER % (b"500 Sick", b""))
        elif old and self.mode == "announced":
            conn[0].send(ANSWER % (b"200 OK", b"Connection: close\r\n"))
            self.close(fd)
        else:
            conn[0].send(ANSWER % (b"200 OK", b""))

    def serve(self, fd):
        conn = self.conns[fd]
        try:
            data = conn[0].recv(65536)
            conn[1] += data
            while data and fd in self.conns and b"\r\n\r\n" in conn[1]:
                head, _, conn[1] = conn[1].partition(b"\r\n\r\n")
                if self.mode == "login" and b"\r\nX-Login: yes" not in head:
                    conn[0].send(ANSWER % (b"401 No", b""))
                elif head.startswith(b"GET"):
                    self.answer(fd)
                else:
                    conn[0].send(ANSWER % (b"405 Only GET", b"Connection: close\r\n"))
                    return self.close(fd)
            if not data and fd in self.conns:
                self.close(fd)
        except BlockingIOError:
            pass
        except OSError:
            if fd in self.conns:
                self.close(fd)

    def run(self):
        print(self.listener.getsockname()[1], flush=True)
        while True:
            for fd, _ in self.poll.poll():
                if fd == self.wake:
                    self.reload()
                elif fd == self.listener.fileno():
                    self.accept()
                elif fd in self.conns:
                    self.serve(fd)


if __name__ == "__main__":
    Reloader(sys.argv[1]).run()
