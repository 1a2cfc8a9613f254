/* permessage-deflate without context takeover (RFC 7692): each message stands
 * alone, so one compressor and one decompressor serve all sockets of a loop, and
 * a socket that moves takes no state along. */
#ifndef MO_HTTP_LIVE_WS_DEFLATE_H
#define MO_HTTP_LIVE_WS_DEFLATE_H

#include "base/buf.h"

typedef struct mo_ws_zlib mo_ws_zlib;

/* *z is made when first needed; mo_ws_zlib_free(NULL) does nothing. */
void mo_ws_zlib_free(mo_ws_zlib *z);

/* Appends the compressed message.  false: it did not become smaller; out is as
 * before. */
bool mo_ws_deflate(mo_ws_zlib **z, molt_str in, mo_buf *out);
/* Appends the message that was compressed.  -EMSGSIZE: it is longer than max;
 * -EBADMSG: it is no compressed message. */
int mo_ws_inflate(mo_ws_zlib **z, molt_str in, size_t max, mo_buf *out);

#endif
