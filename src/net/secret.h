/* Memory for key material: left out of core dumps, wiped when it is freed.  Used
 * by what holds or carries the keys of TLS connections, and of tickets.  [any] thread.
 *
 * What OpenSSL holds itself lies in ordinary memory.  OpenSSL frees its connections with the
 * secrets in them, so before main() OpenSSL gets functions of ours that wipe what they free;
 * all of the process's OpenSSL uses them.  Where a library of the program has used OpenSSL
 * before that, OpenSSL keeps its own functions.
 *
 * Always: a block is zeroed when it is given out; out of memory ends the process.  A child
 * of fork() has the blocks, too, and they stay out of its core dumps; exec() ends them. */
#ifndef MO_NET_SECRET_H
#define MO_NET_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#define MO_SECRET_BLOCK 256u

/* Up to MO_SECRET_BLOCK bytes come from shared pages, more have pages of their
 * own.  Free with the same n; NULL is accepted. */
void *mo_secret_new(size_t n);
void mo_secret_free(void *p, size_t n);
/* Does OpenSSL wipe what it frees? */
bool mo_secret_openssl_wipes(void);

#endif
