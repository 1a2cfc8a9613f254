/* recv() and send() for the two calls that each request makes.
 *
 * The return from a function behind a system call is mispredicted, because the kernel's own
 * calls have pushed our return address out of the processor's return stack: some 5 ns each,
 * 0.1 % of a small request.  So these calls are inline.  The C library's functions would
 * also prepare for the end of the thread by pthread_cancel(), which nobody uses on a loop.
 *
 * Both return bytes, or -1 with errno, as the C library's do.  Under the sanitizers, which
 * watch the C library's functions, and on other machines, they call those functions. */
#ifndef MO_NET_SYSCALL_H
#define MO_NET_SYSCALL_H

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include "rt/sanitize.h"

#if defined(__linux__) && defined(__x86_64__) && !defined(__ILP32__) && !MO_ASAN && !MO_TSAN

/* The last two arguments of both are no address. */
static inline ssize_t mo_syscall_io(long number, int fd, const void *buf, size_t n, int flags)
{
	register long r10 __asm__("r10") = flags;
	register long r8 __asm__("r8") = 0;
	register long r9 __asm__("r9") = 0;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"((long)fd), "S"(buf), "d"(n), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory", "cc");
	if (__builtin_expect(result >= 0, 1))
		return result;
	errno = (int)-result;
	return -1;
}

static inline ssize_t mo_recv(int fd, void *buf, size_t n)
{
	return mo_syscall_io(SYS_recvfrom, fd, buf, n, 0);
}

static inline ssize_t mo_send(int fd, const void *buf, size_t n, int flags)
{
	return mo_syscall_io(SYS_sendto, fd, buf, n, flags);
}

#else

static inline ssize_t mo_recv(int fd, void *buf, size_t n)
{
	return recv(fd, buf, n, 0);
}

static inline ssize_t mo_send(int fd, const void *buf, size_t n, int flags)
{
	return send(fd, buf, n, flags);
}

#endif

#endif
