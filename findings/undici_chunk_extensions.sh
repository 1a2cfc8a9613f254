#!/usr/bin/env bash
# undici 6.24.1 (its HTTP parser is llhttp; Node.js 20) refuses chunked answers whose
# chunk extensions are valid by RFC 9112 section 7.1.1:
#
#     chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
#
# A second extension behind one whose value is a token is refused, behind a quoted
# value it is not; bad white space, which a recipient must parse and remove, is
# refused at each of its four places.  So a server that puts more into chunk
# extensions than one bare name or one value loses these clients' answers.
# Seen on Debian 12 with Node.js 20.20.2, 2026-11-28; the table below is what was seen.
# Needs node and npm.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts undici@6.24.1

cat >expected <<'EOF'
5 | hello
5;a | hello
5;a;c | hello
5;a=b | hello
5;a="b" | hello
5;a="b";c=d | hello
5;a=b;c | HPE_INVALID_CHUNK_SIZE
5;a=b;c=d | HPE_INVALID_CHUNK_SIZE
5 ;a=b | HPE_INVALID_CHUNK_SIZE
5; a=b | HPE_STRICT
5;a =b | HPE_STRICT
5;a= b | HPE_STRICT
EOF

cat >client.mjs <<'EOF'
import fs from 'node:fs';
import net from 'node:net';
import { request } from 'undici';

let size;
const server = net.createServer((s) => {
	s.on('error', () => {});
	s.once('data', () => s.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n' +
		`Connection: close\r\n\r\n${size}\r\nhello\r\n0\r\n\r\n`));
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
for (const line of fs.readFileSync('expected', 'utf8').trim().split('\n')) {
	size = line.split(' | ')[0];
	const seen = await request(`http://127.0.0.1:${server.address().port}/`)
		.then((answer) => answer.body.text()).catch((e) => e.code);
	console.log(`${size} | ${seen}`);
}
process.exit(0);
EOF

timeout 60 node client.mjs >seen
if diff expected seen; then
	echo "as stated: undici 6.24.1 refuses 6 of 12 valid forms of chunk extensions"
else
	echo "undici no longer does what this file states" >&2
	exit 1
fi
