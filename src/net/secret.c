/* Memory for key material; see secret.h.  Small blocks lie in slabs that are
 * never given back: a server has at most as many as it once had connections. */
#include "net/secret.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

#define SLAB (64u * 1024)

typedef struct block {
	struct block *next;
} block;

/* ---- OpenSSL's own memory ---- */

static bool openssl_wipes;

/* As OpenSSL's own: none of 0 bytes. */
static void *openssl_malloc(size_t n, const char *file, int line)
{
	return n ? malloc(n) : NULL;
}

static void openssl_free(void *p, const char *file, int line)
{
	if (p)
		OPENSSL_cleanse(p, malloc_usable_size(p));
	free(p);
}

/* realloc() would leave a copy where the block was. */
static void *openssl_realloc(void *p, size_t n, const char *file, int line)
{
	size_t had = p ? malloc_usable_size(p) : 0;
	void *grown;

	if (n > 0 && n <= had)
		return p;
	grown = openssl_malloc(n, file, line);
	if (n > 0 && !grown)
		return NULL;
	if (grown && had)
		memcpy(grown, p, had);
	openssl_free(p, file, line);
	return grown;
}

/* OpenSSL accepts it only as long as it has not allocated anything. */
__attribute__((constructor)) static void wipe_what_openssl_frees(void)
{
	openssl_wipes =
		CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) == 1;
}

bool mo_secret_openssl_wipes(void)
{
	return openssl_wipes;
}

/* ---- ours ---- */

static struct {
	pthread_mutex_t lock;
	block *first;
} spare = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *pages(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		MO_DIE("out of memory: %zu bytes for keys", n);
	/* A kernel that does not know it leaves them in the dump: no reason to stop. */
	(void)madvise(p, n, MADV_DONTDUMP);
	return p;
}

/* With the lock held. */
static void add_slab(void)
{
	char *slab = pages(SLAB);

	for (size_t at = 0; at < SLAB; at += MO_SECRET_BLOCK) {
		block *b = (block *)(void *)(slab + at);

		b->next = spare.first;
		spare.first = b;
	}
}

void *mo_secret_new(size_t n)
{
	block *b;

	if (n > MO_SECRET_BLOCK)
		return pages(n);
	pthread_mutex_lock(&spare.lock);
	if (!spare.first)
		add_slab();
	b = spare.first;
	spare.first = b->next;
	pthread_mutex_unlock(&spare.lock);
	b->next = NULL;
	return b;
}

void mo_secret_free(void *p, size_t n)
{
	block *b = p;

	if (!p)
		return;
	if (n > MO_SECRET_BLOCK) {
		munmap(p, n); /* the kernel zeroes them before anybody sees them */
		return;
	}
	OPENSSL_cleanse(p, MO_SECRET_BLOCK);
	pthread_mutex_lock(&spare.lock);
	b->next = spare.first;
	spare.first = b;
	pthread_mutex_unlock(&spare.lock);
}
