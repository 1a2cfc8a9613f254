/* Threads of the library; see thread.h. */
#include "base/thread.h"

#include <signal.h>
#include <stdio.h>

/* Blocking these would make a fault kill the process without its handler, and SIGPIPE
 * would stay blocked in what handlers start by popen(). */
static void all_but_faults(sigset_t *set)
{
	static const int faults[] = { SIGSEGV, SIGBUS,	SIGFPE, SIGILL,
				      SIGABRT, SIGTRAP, SIGSYS, SIGPIPE };

	sigfillset(set);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(set, faults[i]);
}

/* The mask is inherited: with the starter's blocked over the call, the new
 * thread never runs with another. */
static int start_masked(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	sigset_t blocked, old;
	int err;

	all_but_faults(&blocked);
	pthread_sigmask(SIG_SETMASK, &blocked, &old);
	err = pthread_create(t, attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

int mo_thread_start(pthread_t *t, const char *name, size_t stack, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	char cut[16];
	int err;

	err = -pthread_attr_init(&attr);
	if (err < 0)
		return err;
	if (stack)
		err = -pthread_attr_setstacksize(&attr, stack);
	if (err == 0)
		err = start_masked(t, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	if (err < 0)
		return err;
	snprintf(cut, sizeof(cut), "%s", name ? name : "molt");
	pthread_setname_np(*t, cut);
	return 0;
}
