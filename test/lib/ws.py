"""A strict WebSocket client (RFC 6455, permessage-deflate of RFC 7692) on a raw
socket, and a reader of event streams.  What a server must not send is an error."""
import base64
import hashlib
import os
import struct
import zlib

import rawhttp
from rawhttp import Broken

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
TAIL = b"\x00\x00\xff\xff"
DEFLATE = "permessage-deflate; client_no_context_takeover; server_no_context_takeover"


def handshake_fields(key=None, **more):
    """The fields of a good handshake; a keyword replaces one (_ is -), None drops it."""
    fields = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
              "Sec-WebSocket-Key": key or base64.b64encode(os.urandom(16)).decode()}
    for name, value in more.items():
        name = "-".join(w if w.isupper() else w.capitalize() for w in name.split("_"))
        name = name.replace("Websocket", "WebSocket")
        if value is None:
            fields.pop(name, None)
        else:
            fields[name] = value
    return fields


class Refused(Exception):
    def __init__(self, answer):
        super().__init__(repr(answer))
        self.answer = answer


class WebSocket:
    def __init__(self, address, path, deflate=False, timeout=10, tls=None, rcvbuf=None, **fields):
        self.conn = rawhttp.Conn(address, timeout=timeout, tls=tls, rcvbuf=rcvbuf)
        if deflate:
            fields.setdefault("sec_websocket_extensions",
                              deflate if isinstance(deflate, str) else DEFLATE)
        sent = handshake_fields(**fields)
        lines = "".join("%s: %s\r\n" % f for f in sent.items())
        self.conn.send("GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (path, self.conn.host, lines))
        answer = self.conn.head()
        if answer.status != 101:
            answer.body = self.conn.body(answer)
            self.conn.close()
            raise Refused(answer)
        key = sent["Sec-WebSocket-Key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        if answer.get("sec-websocket-accept") != accept:
            raise Broken("Sec-WebSocket-Accept: %r" % answer)
        if answer.get("upgrade", "").lower() != "websocket" or \
                answer.get("connection", "").lower() != "upgrade" or \
                answer.get("content-length") or answer.get("transfer-encoding"):
            raise Broken("bad 101: %r" % answer)
        self.head = answer
        self.deflate = "permessage-deflate" in answer.get("sec-websocket-extensions", "")
        self.code = None  # of the server's close frame
        self.pings = 0

    def close_socket(self):
        self.conn.close()

    # -- sending

    def frame(self, opcode, data=b"", fin=True, rsv=0, mask=True):
        """The bytes of one frame."""
        data = data.encode() if isinstance(data, str) else data
        first = (0x80 if fin else 0) | rsv << 4 | opcode
        n = len(data)
        bit = 0x80 if mask else 0
        if n < 126:
            head = struct.pack("!BB", first, bit | n)
        elif n < 65536:
            head = struct.pack("!BBH", first, bit | 126, n)
        else:
            head = struct.pack("!BBQ", first, bit | 127, n)
        if not mask:
            return head + data
        key = os.urandom(4)
        repeated = (key * (n // 4 + 1))[:n]
        masked = (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(n, "big")
        return head + key + masked

    def send(self, data, opcode=None, compress=None):
        """One message in one frame."""
        if opcode is None:
            opcode = TEXT if isinstance(data, str) else BINARY
        data = data.encode() if isinstance(data, str) else data
        rsv = 0
        if self.deflate if compress is None else compress:
            z = zlib.compressobj(9, zlib.DEFLATED, -15)
            data = (z.compress(data) + z.flush(zlib.Z_SYNC_FLUSH))[:-4]
            rsv = 4
        self.conn.send(self.frame(opcode, data, rsv=rsv))

    def send_close(self, code=1000, reason=""):
        self.conn.send(self.frame(CLOSE, struct.pack("!H", code) + reason.encode()))

    # -- receiving

    def recv_frame(self):
        """(opcode, fin, rsv, data) of the next frame."""
        first, second = self.conn._exactly(2)
        if second & 0x80:
            raise Broken("a masked frame from the server")
        n = second & 0x7f
        if n == 126:
            n = struct.unpack("!H", self.conn._exactly(2))[0]
            if n < 126:
                raise Broken("length %d in 2 bytes" % n)
        elif n == 127:
            n = struct.unpack("!Q", self.conn._exactly(8))[0]
            if n < 65536:
                raise Broken("length %d in 8 bytes" % n)
        opcode, fin, rsv = first & 15, bool(first & 0x80), first >> 4 & 7
        if opcode >= 8 and (n > 125 or not fin or rsv):
            raise Broken("bad control frame")
        if opcode not in (0, TEXT, BINARY, CLOSE, PING, PONG):
            raise Broken("opcode %d" % opcode)
        return opcode, fin, rsv, self.conn._exactly(n)

    def recv(self):
        """The next message: str or bytes; None when the server has closed (self.code).
        Answers pings and the close."""
        parts, kind, compressed = [], None, False
        while True:
            opcode, fin, rsv, data = self.recv_frame()
            if opcode == PING:
                self.pings += 1
                self.conn.send(self.frame(PONG, data))
                continue
            if opcode == PONG:
                continue
            if opcode == CLOSE:
                self.code = struct.unpack("!H", data[:2])[0] if data else 1005
                data[2:].decode()
                return None
            if (opcode == 0) != (kind is not None):
                raise Broken("bad continuation")
            if opcode:
                kind, compressed = opcode, bool(rsv & 4)
                if rsv & 3 or (compressed and not self.deflate):
                    raise Broken("rsv %d" % rsv)
            elif rsv:
                raise Broken("rsv in a continuation")
            parts.append(data)
            if fin:
                break
        data = b"".join(parts)
        if compressed:
            z = zlib.decompressobj(-15)
            data = z.decompress(data + TAIL)
        return data.decode() if kind == TEXT else data

    def closed(self, timeout=5):
        """Reads to the end: the code of the server's close frame; 1006 without one.
        Answers it."""
        self.conn.sock.settimeout(timeout)
        try:
            while self.recv() is not None:
                pass
            self.conn.send(self.frame(CLOSE, struct.pack("!H", 1000)))
            if self.conn.rest(timeout) != b"":
                raise Broken("bytes behind the close frame, or no end")
        except (Broken, ConnectionError):
            if self.code is None:
                return 1006
        return self.code


class EventStream:
    """Reads an event stream; chunked, as a server of HTTP/1.1 sends it."""

    def __init__(self, address, path, timeout=10, tls=None):
        self.conn = rawhttp.Conn(address, timeout=timeout, tls=tls)
        self.conn.send("GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n\r\n"
                       % (path, self.conn.host))
        self.head = self.conn.head()
        if self.head.status != 200 or self.head.get("content-type") != "text/event-stream":
            raise Broken(repr(self.head))
        self.text = b""
        self.retry = None
        self.ended = False

    def _more(self):
        line = self.conn._line()
        size = int(line, 16)
        if size == 0:
            self.conn._fields()
            self.ended = True
            return False
        self.text += self.conn._exactly(size)
        if self.conn._exactly(2) != b"\r\n":
            raise Broken("no CRLF behind a chunk")
        return True

    def next(self):
        """The next event as {"id", "event", "data"}; None when the stream has ended."""
        while True:
            while b"\n\n" not in self.text:
                if not self._more():
                    if self.text:
                        raise Broken("half an event at the end: %r" % self.text)
                    return None
            block, self.text = self.text.split(b"\n\n", 1)
            event = {}
            for raw in block.decode().split("\n"):
                if not raw or raw.startswith(":"):
                    continue
                name, _, value = raw.partition(": ")
                if name == "retry":
                    self.retry = int(value)
                elif name == "data" and "data" in event:
                    event["data"] += "\n" + value
                else:
                    event[name] = value
            if event:
                return event

    def close(self):
        self.conn.close()
