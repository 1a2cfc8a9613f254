"""A strict HTTP/1.1 client on a raw socket.

It sends exactly the bytes it is given and accepts only what the RFC allows a
server to send: anything else is an error, never guessed at.
"""
import re
import socket
import ssl
import time

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9]) ([\t\x20-\x7e]*)\Z")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t\x80-\xff]*?)[ \t]*\Z")


class Broken(AssertionError):
    """The server broke the protocol or the connection."""


class Answer:
    def __init__(self):
        self.status = 0
        self.reason = ""
        self.minor = 1
        self.headers = []  # (lower-case name, value) in order
        self.body = b""
        self.trailers = []
        self.interim = []  # statuses of 1xx answers before it
        self.chunks = []   # sizes, when chunked
        self.json = None

    def get(self, name, default=None):
        for key, value in self.headers:
            if key == name.lower():
                return value
        return default

    def all(self, name):
        return [v for k, v in self.headers if k == name.lower()]

    @property
    def closes(self):
        tokens = [t.strip().lower() for v in self.all("connection") for t in v.split(",")]
        return "close" in tokens or (self.minor == 0 and "keep-alive" not in tokens)

    def __repr__(self):
        return "<%d %s %r %r>" % (self.status, self.reason, self.headers, self.body[:300])


def unverified_context(**kw):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for key, value in kw.items():
        setattr(context, key, value)
    return context


class Conn:
    def __init__(self, address, tls=None, timeout=10, rcvbuf=None):
        """address: (host, port) or a unix socket's path.  tls: True or a context."""
        unix = isinstance(address, str)
        ipv6 = not unix and ":" in address[0]
        family = socket.AF_UNIX if unix else socket.AF_INET6 if ipv6 else socket.AF_INET
        self.host = "localhost" if unix else ("[%s]:%d" if ipv6 else "%s:%d") % address
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.connect(address)
        if not unix:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = unverified_context() if tls is True else tls
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        self.buf = b""
        self.eof = False

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def local_port(self):
        return self.sock.getsockname()[1]

    # -- reading

    def _more(self):
        if self.eof:
            return False
        try:
            data = self.sock.recv(65536)
        except ssl.SSLEOFError:
            data = b""
        if not data:
            self.eof = True
            return False
        self.buf += data
        return True

    def _line(self):
        while b"\r\n" not in self.buf:
            if b"\n" in self.buf:
                raise Broken("bare LF from the server: %r" % self.buf[:200])
            if not self._more():
                raise Broken("end of stream inside a line: %r" % self.buf[:200])
        line, self.buf = self.buf.split(b"\r\n", 1)
        if b"\n" in line or b"\r" in line or b"\0" in line:
            raise Broken("control byte in a line: %r" % line)
        return line

    def _exactly(self, n):
        while len(self.buf) < n:
            if not self._more():
                raise Broken("end of stream: %d bytes of %d" % (len(self.buf), n))
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def _fields(self):
        out = []
        while True:
            line = self._line()
            if not line:
                return out
            found = FIELD.match(line)
            if not found:
                raise Broken("bad field: %r" % line)
            out.append((found.group(1).decode().lower(), found.group(2).decode("latin-1")))

    def _chunked(self, answer):
        body = []
        while True:
            line = self._line()
            if not re.match(rb"[0-9a-fA-F]{1,16}\Z", line):
                raise Broken("bad chunk size: %r" % line)
            size = int(line, 16)
            if size == 0:
                answer.trailers = self._fields()
                return b"".join(body)
            answer.chunks.append(size)
            body.append(self._exactly(size))
            if self._exactly(2) != b"\r\n":
                raise Broken("no CRLF behind a chunk")

    def head(self):
        """The next status line and fields."""
        answer = Answer()
        line = self._line()
        found = STATUS_LINE.match(line)
        if not found:
            raise Broken("bad status line: %r" % line)
        answer.minor = int(found.group(1))
        answer.status = int(found.group(2))
        answer.reason = found.group(3).decode()
        answer.headers = self._fields()
        return answer

    def answer(self, method="GET"):
        """The next answer, interim ones put aside."""
        interim = []
        while True:
            answer = self.head()
            if answer.status >= 200:
                break
            interim.append(answer.status)
        answer.interim = interim
        answer.body = self.body(answer, method)
        return answer

    def body(self, answer, method="GET"):
        """Reads the body that belongs to a head."""
        coding, lengths = answer.all("transfer-encoding"), answer.all("content-length")
        if coding and lengths:
            raise Broken("both Transfer-Encoding and Content-Length")
        if len(lengths) > 1 or len(coding) > 1:
            raise Broken("framing field sent twice: %r" % answer.headers)
        if lengths and not lengths[0].isdigit():
            raise Broken("bad Content-Length: %r" % lengths[0])
        if method == "HEAD" or answer.status in (204, 304):
            return b""
        if coding:
            if coding[0].lower() != "chunked" or answer.minor == 0:
                raise Broken("bad Transfer-Encoding: %r" % answer)
            return self._chunked(answer)
        if lengths:
            return self._exactly(int(lengths[0]))
        if not answer.closes:
            raise Broken("an answer without framing: %r" % answer)
        while self._more():
            pass
        out, self.buf = self.buf, b""
        return out

    def request(self, method, path, headers=(), body=None):
        """Sends one well-formed request and reads its answer."""
        fields = list(headers.items() if isinstance(headers, dict) else headers)
        names = [k.lower() for k, _ in fields]
        if "host" not in names:
            fields.insert(0, ("Host", self.host))
        if body is not None and "content-length" not in names and "transfer-encoding" not in names:
            fields.append(("Content-Length", str(len(body))))
        head = "%s %s HTTP/1.1\r\n%s\r\n" % (
            method, path, "".join("%s: %s\r\n" % f for f in fields))
        self.send(head.encode("latin-1") + (body or b""))
        return self.answer(method)

    def closed(self, timeout=5):
        """True when the server closes in time without sending anything more."""
        return self.rest(timeout) == b""

    def rest(self, timeout=5):
        """All bytes until the server closes (a reset counts as closing); None
        when it does not close in time."""
        end = time.monotonic() + timeout
        old = self.sock.gettimeout()
        try:
            while True:
                left = end - time.monotonic()
                if left <= 0:
                    return None
                self.sock.settimeout(left)
                try:
                    if not self._more():
                        break
                except ConnectionResetError:
                    break
                except (socket.timeout, TimeoutError):
                    return None
            out, self.buf = self.buf, b""
            return out
        finally:
            self.sock.settimeout(old)
