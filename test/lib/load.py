"""A strict load client: it never retries and forgives nothing.

    python3 load.py --port 8199 [--tls] --mode reused|new|pausing [--mix ...]

One thread, raw non-blocking sockets, epoll.  Every request carries an id that
its answer must repeat, so answers that were mixed up are seen.  It runs until
its standard input is closed, lets the requests under way end, and prints one
JSON object.  What counts:

  failures   connect, handshake   no connection could be made
             fresh_reset          reset before the first answer of a connection
             reused_reset         the same on a connection that was used before
             eof_before_answer    closed while a request waited for its answer
             partial              an answer began and broke off
             bad_status, mixed_up (another request's body), broken (no HTTP)
             timeout              no complete answer in --timeout seconds
  reported   reconnects           the server announced Connection: close
             idle_closes          closed between requests without announcing it
             stalls               answers that took more than 200 ms

A connection that the server closes while no request is under way loses nothing,
so it is no failure; one that is closed after a request's first byte was sent is.
"""
import argparse
import collections
import errno
import heapq
import json
import os
import random
import select
import socket
import ssl
import subprocess
import sys
import time

STALL = 0.2
KINDS = ("get", "post", "chunked", "split", "slow")
IN, OUT = select.EPOLLIN, select.EPOLLOUT


class Fault(Exception):
    """A failure of the present request; its text is the kind."""


class Client:
    """One connection slot: connect, request, answer, think, and again."""

    def __init__(self, load, number):
        self.load = load
        self.number = number
        self.seq = 0
        self.sock = None
        self.served = 0    # answers on this connection
        self.busy = False  # a request is under way
        self.mask = 0

    # -- connection

    def open(self):
        load = self.load
        family = socket.AF_INET6 if ":" in load.host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.served = 0
        self.mask = 0
        self.shaking = False
        self.connected = False
        code = self.sock.connect_ex((load.host, load.port))
        if code not in (0, errno.EINPROGRESS):
            raise Fault("connect")
        load.clients[self.sock.fileno()] = self
        load.epoll.register(self.sock.fileno(), OUT)
        self.mask = OUT

    def shut(self):
        if self.sock:
            self.load.clients.pop(self.sock.fileno(), None)
            self.sock.close()
            self.sock = None

    def watch(self, mask):
        if mask != self.mask:
            self.load.epoll.modify(self.sock.fileno(), mask)
            self.mask = mask

    def become_connected(self):
        if self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise Fault("connect")
        self.connected = True
        if self.load.context:
            plain = self.sock
            self.sock = self.load.context.wrap_socket(
                plain, server_hostname="localhost", do_handshake_on_connect=False)
            self.shaking = True

    def shake(self):
        """Drives the TLS handshake; True when it is done."""
        try:
            self.sock.do_handshake()
        except ssl.SSLWantReadError:
            self.watch(IN)
            return False
        except ssl.SSLWantWriteError:
            self.watch(OUT)
            return False
        except (ssl.SSLError, OSError):
            raise Fault("handshake") from None
        self.shaking = False
        return True

    # -- one request

    def begin(self):
        """Starts a request, on a new connection when there is none."""
        load = self.load
        self.busy = True
        self.started = load.now
        self.deadline = load.now + load.timeout
        self.seq += 1
        self.out, self.later, self.want = load.make(self, "%d.%d" % (self.number, self.seq))
        self.inbuf = b""
        load.requests += 1
        try:
            if not self.sock:
                self.open()
                return
            self.push()
        except Fault as fault:
            self.fail(str(fault))

    def push(self):
        """Sends what can be sent."""
        while self.out:
            try:
                self.out = self.out[self.sock.send(self.out):]
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                self.watch(IN | OUT)
                return
            except OSError:
                # The answer may be there already; reading tells which it is.
                self.out = b""
                self.later = b""
                self.pull()
                if self.busy and self.sock:
                    raise Fault(self.reset_kind()) from None
                return
        self.watch(IN)
        if self.later:
            self.load.at(self.load.now + random.uniform(0.001, 0.02), self, "later")

    def reset_kind(self):
        if self.inbuf:
            return "partial"
        return "reused_reset" if self.served else "fresh_reset"

    def pull(self):
        """Reads what is there."""
        while True:
            try:
                data = self.sock.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except ssl.SSLEOFError:
                data = b""
            except OSError:
                return self.ended(self.reset_kind())
            if not data:
                return self.ended("partial" if self.inbuf else "eof_before_answer")
            if not self.busy:
                raise Fault("broken")  # an answer that nobody asked for
            self.inbuf += data
            if self.parse():
                return

    def ended(self, kind):
        if self.busy:
            raise Fault(kind)
        self.load.count["idle_closes"] += 1
        self.shut()

    def parse(self):
        """True when the answer is complete and was dealt with."""
        head, gap, rest = self.inbuf.partition(b"\r\n\r\n")
        if not gap:
            return False
        if not head.startswith(b"HTTP/1.1 "):
            raise Fault("broken")
        fields = head.lower()
        place = fields.find(b"\r\ncontent-length: ")
        if place < 0:
            raise Fault("broken")
        length = int(fields[place + 18:].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return False
        if head[9:12] != b"200":
            self.load.last_bad = head.decode("latin-1")[:300]
            raise Fault("bad_status")
        if self.out or self.later or len(rest) > length:
            raise Fault("broken")
        if not self.matches(rest):
            raise Fault("mixed_up")
        self.finish(b"\r\nconnection: close" in fields)
        return True

    def matches(self, body):
        if self.want is not None:
            return body == self.want
        words = body.split()
        if len(words) < 2 or words[0].decode() != "%d.%d" % (self.number, self.seq):
            return False
        self.load.pids[words[1].decode()] += 1
        return True

    def finish(self, closing):
        load = self.load
        now = time.monotonic()
        took = now - self.started
        self.busy = False
        self.served += 1
        load.ok += 1
        load.longest = max(load.longest, took - (load.slow if load.last_slow(self) else 0))
        if took - (load.slow if load.last_slow(self) else 0) > STALL:
            load.count["stalls"] += 1
        if closing:
            load.count["reconnects"] += load.mode != "new"
            self.shut()
        elif load.mode == "new":
            self.shut()
        load.after(self, now)

    def fail(self, kind):
        load = self.load
        load.failed[kind] += 1
        if len(load.examples) < 10:
            load.examples.append("%s: client %d request %d, number %d of its connection, "
                                 "%.0f ms after its start, got %r" % (
                                     kind, self.number, self.seq, self.served + 1,
                                     (time.monotonic() - self.started) * 1000, self.inbuf[:80]))
        self.busy = False
        self.shut()
        load.at(load.now + 0.05, self, "next")

    # -- events

    def event(self):
        try:
            if not self.connected:
                self.become_connected()
            if self.shaking and not self.shake():
                return
            if self.out and self.busy:
                self.push()
            if self.sock:
                self.pull()
        except Fault as fault:
            self.fail(str(fault))

    def timer(self, what):
        if what == "next" and not self.busy:
            if not self.load.stopping:
                self.begin()
        elif what == "later" and self.busy and self.later:
            self.out, self.later = self.later, b""
            try:
                self.push()
            except Fault as fault:
                self.fail(str(fault))


class Load:
    """All clients of one run, and their counts."""

    def __init__(self, o):
        self.host, self.port, self.mode = o.host, o.port, o.mode
        self.mix = o.mix.split(",")
        self.slow = o.slow / 1000.0
        self.timeout = o.timeout
        self.context = None
        if o.tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE
        self.epoll = select.epoll()
        self.clients = {}
        self.all = [Client(self, i) for i in range(o.clients)]
        self.timers = []
        self.ticket = 0
        self.ready = []
        self.stopping = False
        self.now = time.monotonic()
        self.requests = self.ok = 0
        self.failed = collections.Counter()
        self.count = collections.Counter(reconnects=0, idle_closes=0, stalls=0)
        self.pids = collections.Counter()
        self.examples = []
        self.last_bad = None
        self.longest = 0.0

    def kind(self, client):
        return self.mix[client.seq % len(self.mix)]

    def last_slow(self, client):
        return self.kind(client) == "slow"

    def make(self, client, ident):
        """(bytes to send, bytes to send later, body to expect or None)"""
        kind = self.kind(client)
        host = "Host: localhost\r\n"
        if kind == "get":
            return ("GET /id?id=%s HTTP/1.1\r\n%s\r\n" % (ident, host)).encode(), b"", None
        if kind == "slow":
            head = "GET /id?id=%s&ms=%d HTTP/1.1\r\n%s\r\n" % (ident, self.slow * 1000, host)
            return head.encode(), b"", None
        body = ident.encode() + b" " + b"x" * (client.seq * 37 % 2000)
        head = "POST /echo HTTP/1.1\r\n" + host
        if kind == "chunked":
            half = len(body) // 2
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(p), p)
                              for p in (body[:half], body[half:]) if p)
            whole = (head + "Transfer-Encoding: chunked\r\n\r\n").encode() + chunks + b"0\r\n\r\n"
            return whole, b"", body
        whole = (head + "Content-Length: %d\r\n\r\n" % len(body)).encode() + body
        if kind == "split":
            cut = random.randrange(1, len(whole))
            return whole[:cut], whole[cut:], body
        return whole, b"", body

    def at(self, when, client, what):
        self.ticket += 1
        heapq.heappush(self.timers, (when, self.ticket, client, what))

    def after(self, client, now):
        """A request of client has been answered: when is the next one?"""
        if self.stopping:
            return
        if self.mode == "pausing":
            self.at(now + random.uniform(0, 0.02), client, "next")
        else:
            self.ready.append(client)

    def run_timers(self):
        while self.timers and self.timers[0][0] <= self.now:
            _, _, client, what = heapq.heappop(self.timers)
            client.timer(what)

    def check_deadlines(self):
        for client in self.all:
            if client.busy and self.now > client.deadline:
                client.fail("timeout")

    def run(self, stop_fd):
        self.epoll.register(stop_fd, IN | select.EPOLLHUP)
        self.ready.extend(self.all)
        announced, checked = False, self.now
        while not (self.stopping and not any(c.busy for c in self.all)):
            self.now = time.monotonic()
            self.run_timers()
            batch, self.ready = self.ready, []
            for client in batch:
                if not self.stopping:
                    client.begin()
            wait = 0 if self.ready else 0.1
            if self.timers:
                wait = min(wait, max(0, self.timers[0][0] - self.now))
            for fd, _ in self.epoll.poll(wait):
                if fd == stop_fd:
                    self.stopping = True
                    self.epoll.unregister(stop_fd)
                elif fd in self.clients:
                    self.now = time.monotonic()
                    self.clients[fd].event()
            if self.now - checked > 0.1:
                self.check_deadlines()
                checked = self.now
            if not announced and self.ok >= len(self.all):
                announced = True
                print("started", flush=True)

    def report(self):
        return {
            "mode": self.mode, "requests": self.requests, "ok": self.ok,
            "failed": sum(self.failed.values()), "by_kind": dict(self.failed),
            "examples": self.examples, "last_bad": self.last_bad, "pids": dict(self.pids),
            "longest_ms": round(self.longest * 1000, 1), **self.count}


class Running:
    """A load client in a process of its own, so that it is not slowed by the
    test that watches it."""

    def __init__(self, port, mode="reused", clients=32, tls=False, mix="get", host="127.0.0.1",
                 timeout=10, slow=20, env=None):
        command = [sys.executable, os.path.abspath(__file__), "--host", host, "--port", str(port),
                   "--mode", mode, "--clients", str(clients), "--mix", mix,
                   "--timeout", str(timeout), "--slow", str(slow)]
        self.proc = subprocess.Popen(command + (["--tls"] if tls else []), stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True,
                                     env=dict(os.environ, **(env or {})))
        if self.proc.stdout.readline() != "started\n":
            self.proc.wait()
            raise AssertionError("the load client did not start")

    def finish(self):
        """Ends it; returns its report."""
        out, _ = self.proc.communicate()
        return json.loads(out)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        self.proc.stdin.close()
        self.proc.stdout.close()


def main():
    p = argparse.ArgumentParser(description="strict HTTP load client")
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--port", type=int, required=True)
    p.add_argument("--tls", action="store_true")
    p.add_argument("--mode", choices=("reused", "new", "pausing"), default="reused")
    p.add_argument("--clients", type=int, default=32)
    p.add_argument("--mix", default="get", help="comma list of " + ", ".join(KINDS))
    p.add_argument("--timeout", type=float, default=10)
    p.add_argument("--slow", type=int, default=20, help="milliseconds that a slow request takes")
    load = Load(p.parse_args())
    load.run(sys.stdin.fileno())
    print(json.dumps(load.report()), flush=True)


if __name__ == "__main__":
    main()
