/* The report of a stack overflow; see overflow.h.  Everything below report() runs
 * in a signal handler: no locks, no allocation, no stdio. */
#include "rt/overflow.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/outlet.h"
#include "rt/loop_internal.h"

#define SIGNAL_STACK ((size_t)64 << 10)

static struct sigaction former_segv, former_bus;

typedef struct text {
	char at[512];
	size_t len;
} text;

static void put(text *t, const char *s)
{
	while (*s && t->len < sizeof(t->at)) {
		char c = *s++;

		t->at[t->len++] = c >= ' ' && c < 0x7f ? c : c == '\n' ? c : '?';
	}
}

static void put_number(text *t, size_t n)
{
	char digits[24];
	size_t i = sizeof(digits);

	digits[--i] = '\0';
	do {
		digits[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	put(t, digits + i);
}

static void report(const mo_co *co)
{
	text t = { .len = 0 };

	put_number(&t, (size_t)getpid());
	put(&t, ": [FATAL] stack overflow in route ");
	put(&t, co->name ? co->name : "(no name)");
	put(&t, ": its coroutine used more than ");
	put_number(&t, co->stack->size);
	put(&t, " bytes; raise stack_size or make the route .blocking\n");
	mo_outlet_last_words(STDERR_FILENO, t.at, t.len);
}

/* The coroutine whose guard was hit, or NULL. */
static const mo_co *overflown(const siginfo_t *info)
{
	const mo_co *co = mo_co_self();
	uintptr_t at = (uintptr_t)info->si_addr, low;

	if (!co || info->si_code <= 0)
		return NULL;
	low = (uintptr_t)co->stack->low;
	return at < low && at >= low - mo_stack_guard() ? co : NULL;
}

/* Returning from the handler runs the faulting instruction again, now with the
 * default action: the core file shows the true place.  A signal that was sent
 * by kill() does not come again by itself. */
static void die_by_default(int sig, const siginfo_t *info)
{
	struct sigaction by_default = { .sa_handler = SIG_DFL };

	sigaction(sig, &by_default, NULL);
	if (info->si_code <= 0)
		raise(sig);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	const struct sigaction *former = sig == SIGSEGV ? &former_segv : &former_bus;
	const mo_co *co = overflown(info);
	int saved = errno;

	if (co)
		report(co);
	if (co || former->sa_handler == SIG_DFL)
		mo_outlets_flush(MO_LAST_LINES, MO_LAST_LINES_STILL);
	if (co || (!(former->sa_flags & SA_SIGINFO) &&
		   (former->sa_handler == SIG_DFL || former->sa_handler == SIG_IGN)))
		die_by_default(sig, info);
	else if (former->sa_flags & SA_SIGINFO)
		former->sa_sigaction(sig, info, context);
	else
		former->sa_handler(sig);
	errno = saved;
}

static void install(void)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sa.sa_sigaction = on_fault;
	sigemptyset(&sa.sa_mask);
	(void)mo_stack_guard(); /* cached now: sysconf() is not for handlers */
	sigaction(SIGSEGV, &sa, &former_segv);
	sigaction(SIGBUS, &sa, &former_bus);
}

void mo_overflow_install(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, install);
}

void *mo_overflow_enter(void)
{
	stack_t now, own = { .ss_size = SIGNAL_STACK };

	if (sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE))
		return NULL;
	own.ss_sp = mo_malloc(own.ss_size);
	sigaltstack(&own, NULL);
	return own.ss_sp;
}

void mo_overflow_leave(void *entered)
{
	stack_t none = { .ss_flags = SS_DISABLE };

	if (!entered)
		return;
	sigaltstack(&none, NULL);
	free(entered);
}
