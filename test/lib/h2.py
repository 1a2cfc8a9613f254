"""A client of HTTP/2 that does what it is told and hides nothing: frames by hand, HPACK by
Debian's python3-hpack.  It answers SETTINGS and PING and gives windows back at once; it never
sends a request again."""
import socket
import ssl
import struct
import sys

sys.path.append("/usr/lib/python3/dist-packages")  # where python3 is not the one of the packages
from hpack import Decoder, Encoder  # noqa: E402

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
CANCEL = 8


class Answer:
    def __init__(self):
        self.fields, self.body, self.ended, self.error = [], b"", False, None

    @property
    def status(self):
        return int(self.field(":status") or 0)

    def field(self, name):
        return dict(self.fields).get(name)


class Ended(Exception):
    """The connection has ended before what was waited for."""


class H2:
    def __init__(self, port, tls=False, timeout=15):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(["http/1.1", "h2"])
            self.sock = context.wrap_socket(self.sock)
            assert self.sock.selected_alpn_protocol() == "h2"
        self.encoder, self.decoder = Encoder(), Decoder()
        self.answers, self.windows, self.goaways = {}, {0: 65535}, []
        self.next_id, self.initial, self.block = 1, 65535, b""
        self.sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.send(SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 20))
        self.send(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 24))

    def send(self, kind, flags, stream, payload=b""):
        self.sock.sendall(struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload)

    def ask(self, path, method="GET", headers=(), body=None, whole=True):
        """Sends a request, and its body as the windows let it; returns the number of its stream."""
        stream, self.next_id = self.next_id, self.next_id + 2
        fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "a")]
        self.answers[stream], self.windows[stream] = Answer(), self.initial
        self.send(HEADERS, END_HEADERS | (END_STREAM if body is None and whole else 0), stream,
                  self.encoder.encode(fields + list(headers)))
        if body is not None:
            self.put(stream, body, whole)
        return stream

    def put(self, stream, body, whole=True):
        at = 0
        while at < len(body) or (at == 0 and whole):
            room = min(self.windows[0], self.windows[stream], 16384, len(body) - at)
            if room == 0 and at < len(body):
                self.step()
                continue
            last = whole and at + room == len(body)
            self.send(DATA, END_STREAM if last else 0, stream, body[at:at + room])
            self.windows[0] -= room
            self.windows[stream] -= room
            at += room
            if last:
                return

    def cancel(self, stream):
        self.send(RST_STREAM, 0, stream, struct.pack(">I", CANCEL))

    def exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                raise Ended()
            data += more
        return data

    def step(self):
        """One frame of the server; returns (kind, flags, stream, payload)."""
        head = self.exactly(9)
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        payload = self.exactly(int.from_bytes(head[:3], "big"))
        self.took(kind, flags, stream, payload)
        return kind, flags, stream, payload

    def took(self, kind, flags, stream, payload):
        answer = self.answers.get(stream)
        if kind == DATA:
            answer.body += payload
            if payload:
                self.send(WINDOW_UPDATE, 0, 0, struct.pack(">I", len(payload)))
                if not flags & END_STREAM:
                    self.send(WINDOW_UPDATE, 0, stream, struct.pack(">I", len(payload)))
        elif kind in (HEADERS, CONTINUATION):
            self.block += payload
            if flags & END_HEADERS:
                answer.fields = self.decoder.decode(self.block)
                self.block = b""
        elif kind == RST_STREAM:
            answer.error = struct.unpack(">I", payload)[0]
            answer.ended = True
        elif kind == SETTINGS and not flags & ACK:
            for i in range(0, len(payload), 6):
                name, value = struct.unpack(">HI", payload[i:i + 6])
                if name == 4:
                    for known in self.windows:
                        self.windows[known] += value - self.initial if known else 0
                    self.initial = value
            self.send(SETTINGS, ACK, 0)
        elif kind == PING and not flags & ACK:
            self.send(PING, ACK, 0, payload)
        elif kind == GOAWAY:
            last, code = struct.unpack(">II", payload[:8])
            self.goaways.append((last, code))
        elif kind == WINDOW_UPDATE and stream in self.windows:
            self.windows[stream] += struct.unpack(">I", payload)[0]
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            answer.ended = True

    def until(self, check):
        while not check():
            self.step()

    def answer(self, stream):
        answer = self.answers[stream]
        self.until(lambda: answer.ended)
        return answer

    def fetch(self, path, **kw):
        return self.answer(self.ask(path, **kw))

    def rest(self):
        """Reads to the proper end of the connection."""
        try:
            while True:
                self.step()
        except Ended:
            return

    def close(self):
        self.sock.close()
