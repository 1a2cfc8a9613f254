#!/usr/bin/env bash
# nghttp2 tells a server of frames of unknown types only where each type was registered.
#
# RFC 9113 has frames of unknown types ignored, so a client may send them at any time, and a
# server that limits how much a client may send for nothing has to count them.  In nghttp2
# neither nghttp2_on_begin_frame_callback nor nghttp2_on_frame_recv_callback is called for
# such a frame, nor any other callback: the bytes are gone without a trace, while PING or
# WINDOW_UPDATE beside them are told.  nghttp2_option_set_user_recv_extension_type() for a
# type makes both come, and an extension callback has to be there then; there is no such call
# for all types, so a server registers some 240 of them to see what it is sent.
# Seen with libnghttp2 1.52.0 of Debian 12, 2026-11-29.
# Needs gcc and apt.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q libnghttp2-dev=1.52.0-1+deb12u3 libnghttp2-14=1.52.0-1+deb12u3 >/dev/null 2>&1
for package in ./*.deb; do
	dpkg-deb -x "$package" .
done

cat >expected <<'EOF'
not registered: 0 of 100 unknown frames begin, 0 are received; 1 of 1 PING
registered: 100 of 100 unknown frames begin, 100 are received; 1 of 1 PING
EOF

cat >unknown.c <<'EOF'
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

enum { UNKNOWN = 0x77, MANY = 100 };

static int begun, received, pings;

static int on_begin(nghttp2_session *s, const nghttp2_frame_hd *h, void *user)
{
	(void)s;
	(void)user;
	begun += h->type == UNKNOWN;
	return 0;
}

static int on_received(nghttp2_session *s, const nghttp2_frame *f, void *user)
{
	(void)s;
	(void)user;
	received += f->hd.type == UNKNOWN;
	pings += f->hd.type == NGHTTP2_PING;
	return 0;
}

static int on_chunk(nghttp2_session *s, const nghttp2_frame_hd *h, const uint8_t *p, size_t n,
		    void *user)
{
	(void)s, (void)h, (void)p, (void)n, (void)user;
	return 0;
}

static int unpack(nghttp2_session *s, void **payload, const nghttp2_frame_hd *h, void *user)
{
	(void)s, (void)h, (void)user;
	*payload = NULL;
	return 0;
}

static size_t put(uint8_t *at, uint8_t type, uint8_t length)
{
	uint8_t head[9] = { 0, 0, length, type, 0, 0, 0, 0, 0 };

	memcpy(at, head, sizeof(head));
	memset(at + sizeof(head), 0, length);
	return sizeof(head) + length;
}

static void serve(int registered)
{
	static uint8_t bytes[4096];
	size_t n = 0;
	nghttp2_session_callbacks *c;
	nghttp2_option *o;
	nghttp2_session *s;

	begun = received = pings = 0;
	memcpy(bytes, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
	n = NGHTTP2_CLIENT_MAGIC_LEN;
	n += put(bytes + n, NGHTTP2_SETTINGS, 0);
	for (int i = 0; i < MANY; i++)
		n += put(bytes + n, UNKNOWN, 4);
	n += put(bytes + n, NGHTTP2_PING, 8);

	nghttp2_session_callbacks_new(&c);
	nghttp2_session_callbacks_set_on_begin_frame_callback(c, on_begin);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_received);
	nghttp2_session_callbacks_set_on_extension_chunk_recv_callback(c, on_chunk);
	nghttp2_session_callbacks_set_unpack_extension_callback(c, unpack);
	nghttp2_option_new(&o);
	if (registered)
		nghttp2_option_set_user_recv_extension_type(o, UNKNOWN);
	nghttp2_session_server_new2(&s, c, NULL, o);
	if (nghttp2_session_mem_recv(s, bytes, n) != (ssize_t)n)
		puts("not all was read");
	printf("%sregistered: %d of %d unknown frames begin, %d are received; %d of 1 PING\n",
	       registered ? "" : "not ", begun, MANY, received, pings);
	nghttp2_session_del(s);
	nghttp2_option_del(o);
	nghttp2_session_callbacks_del(c);
}

int main(void)
{
	serve(0);
	serve(1);
	return 0;
}
EOF
library=$(echo usr/lib/*/)
gcc -std=gnu11 -Iusr/include -o unknown unknown.c -L"$library" -l:libnghttp2.so.14 -Wl,-rpath,"$folder/$library"
./unknown | diff expected - && echo "as described: nghttp2 tells of unknown frames where their type is registered"
