/* The lines of the access and error logs. */
#ifndef MO_WEB_LOG_ACCESS_LINE_H
#define MO_WEB_LOG_ACCESS_LINE_H

#include "base/buf.h"
#include "http/conn/exchange.h"

/* What lines that are made together have in common. */
typedef struct mo_line_frame {
	int64_t wall_ahead; /* of the clock of mo_now(), ns */
	char who[64];       /* " PID: gen N " */
	uint8_t who_len, gen_at;
} mo_line_frame;
void mo_line_frame_make(mo_line_frame *f);

/* Appends the line of a request that has been answered. */
void mo_access_line(mo_buf *out, const mo_line_frame *f, const molt_req *r, bool error);
/* That of a connection that was refused before there was a request; line: what came. */
void mo_access_line_refused(mo_buf *out, const mo_addr *peer, int status, molt_str line,
			    bool error);
/* That of refused requests whose lines were left out. */
void mo_access_line_left_out(mo_buf *out, uint64_t n);

#endif
