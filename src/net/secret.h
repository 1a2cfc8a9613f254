/* Memory for key material: left out of core dumps, wiped when it is freed.  Used
 * by what holds or carries the keys of TLS connections.  [any] thread.
 *
 * Always: a block is zeroed when it is given out; out of memory ends the process. */
#ifndef MO_NET_SECRET_H
#define MO_NET_SECRET_H

#include <stddef.h>

#define MO_SECRET_BLOCK 256u

/* Up to MO_SECRET_BLOCK bytes come from shared pages, more have pages of their
 * own.  Free with the same n; NULL is accepted. */
void *mo_secret_new(size_t n);
void mo_secret_free(void *p, size_t n);

#endif
