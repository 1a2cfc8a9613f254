/* Bytes of files for a loop; see disk.h. */
#include "rt/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"
#include "rt/co.h"
#include "rt/loop.h"
#include "rt/pool.h"

#define PIECE ((size_t)64 * 1024)
#define PAGE 4096 /* what is cached is so large at least */

struct window {
	int fd;
	off_t off;
	size_t n;
};

static bool is_cold(int fd, off_t at)
{
	char byte;
	struct iovec v = { &byte, 1 };

	return preadv2(fd, &v, 1, at, RWF_NOWAIT) < 0 && errno == EAGAIN;
}

/* The kernel reads ahead, so a window whose ends are there has the rest, too. */
static bool window_is_cold(const struct window *w)
{
	off_t last = w->off + (off_t)w->n - 1;

	return is_cold(w->fd, w->off) || (last / PAGE != w->off / PAGE && is_cold(w->fd, last));
}

static void read_window(void *arg)
{
	struct window w = *(struct window *)arg;
	char *piece = mo_malloc(PIECE);

	posix_fadvise(w.fd, w.off, (off_t)w.n, POSIX_FADV_WILLNEED);
	while (w.n > 0) {
		ssize_t k = pread(w.fd, piece, w.n < PIECE ? w.n : PIECE, w.off);

		if (k <= 0)
			break;
		w.off += k;
		w.n -= (size_t)k;
	}
	free(piece);
}

static void fetch(struct window w)
{
	if (mo_on_pool_thread())
		read_window(&w);
	else if (mo_co_self() && !mo_pool_stands_in())
		(void)mo_pool_run(read_window, &w);
}

static struct window window_of(int fd, off_t off, size_t n)
{
	return (struct window){ fd, off, n < MO_DISK_WINDOW ? n : MO_DISK_WINDOW };
}

void mo_disk_fetch(int fd, off_t off, size_t n)
{
	struct window w = window_of(fd, off, n);

	if (n > 0 && window_is_cold(&w))
		fetch(w);
}

ssize_t mo_disk_read(int fd, void *buf, size_t n, off_t off)
{
	struct iovec v = { buf, n };
	ssize_t k = preadv2(fd, &v, 1, off, RWF_NOWAIT);

	if (k >= 0)
		return k;
	if (errno == EAGAIN)
		fetch(window_of(fd, off, n));
	mo_loop_inside("reads a file");
	k = pread(fd, buf, n, off);
	mo_loop_inside(NULL);
	return k;
}
