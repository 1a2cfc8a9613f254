/* Bytes of files for a loop that may not wait for a disk.
 *
 * Bytes in the kernel's page cache are read on the loop, which costs less than the way to a
 * pool thread and back.  Other bytes are first fetched into the cache by a pool thread,
 * while the coroutine waits and the loop goes on. */
#ifndef MO_RT_DISK_H
#define MO_RT_DISK_H

#include <stddef.h>
#include <sys/types.h>

/* Before n bytes of the file at off are read on the loop (MO_DISK_WINDOW at most are
 * looked at).  Where the file system cannot say what is cached (NFS, FUSE), nothing is
 * fetched, and the same in a coroutine that stands for a pool thread (rt/pool.h), for it
 * could wait for a thread for ever.  Errors are left to the read.  On a pool thread it
 * reads at once.  [parks] */
void mo_disk_fetch(int fd, off_t off, size_t n);
/* As pread(): from the cache where the bytes are there, else they are fetched first.  It may
 * give fewer bytes than the file has.  [parks] */
ssize_t mo_disk_read(int fd, void *buf, size_t n, off_t off);
#define MO_DISK_WINDOW ((size_t)512 * 1024)

#endif
