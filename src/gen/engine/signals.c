/* The signals that mean a restart or a shutdown; see signals.h. */
#include "gen/engine/signals.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "gen/control.h"
#include "gen/os/spawn.h"

static const int list[] = { SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGQUIT, SIGHUP };
#define RESTARTS 2 /* the first of them */

static uv_signal_t handles[MO_COUNTOF(list)];
static _Atomic uint64_t kept; /* bits: signals that came before they were taken */
static _Atomic bool taken;    /* at least once */
static struct {
	void (*restart)(void);
	void (*shutdown)(void *unused);
} answer; /* of the control thread, once they are taken */

/* Who signals a process and then its whole group (timeout, make) asks once. */
#define SAME_REQUEST (50 * MOLT_MS)

static bool asked_just_now(void)
{
	static molt_time last = -SAME_REQUEST; /* of the control thread */
	molt_time now = mo_now();
	bool same = now - last < SAME_REQUEST;

	if (!same)
		last = now;
	return same;
}

static void handle(int number)
{
	if (number == SIGUSR1 || number == SIGUSR2) {
		answer.restart();
	} else if (!asked_just_now()) {
		answer.shutdown(NULL);
	}
}

static void on_signal(uv_signal_t *h, int number)
{
	handle(number);
}

static bool is_ignored(int number)
{
	struct sigaction now;

	return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

/* ---- before they are taken ------------------------------------------------ */

static void keep(int number)
{
	atomic_fetch_or(&kept, 1ull << number);
}

/* Only in place of the default: a handler of the program's own is its affair. */
static void keep_some(size_t from, size_t to)
{
	struct sigaction now, ours = { .sa_handler = keep, .sa_flags = SA_RESTART };

	for (size_t i = from; i < to; i++)
		if (sigaction(list[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL)
			sigaction(list[i], &ours, NULL);
}

void mo_signals_keep_restarts(void)
{
	keep_some(0, RESTARTS);
}

void mo_signals_keep_all(void)
{
	if (!atomic_load(&taken))
		keep_some(RESTARTS, MO_COUNTOF(list));
}

int mo_signals_kept(void)
{
	uint64_t now = atomic_load(&kept);

	for (size_t i = 0; i < MO_COUNTOF(list); i++)
		if (now & 1ull << list[i]) {
			atomic_fetch_and(&kept, ~(1ull << list[i]));
			return list[i];
		}
	return 0;
}

void mo_signals_let_go(void)
{
	struct sigaction now, usual = { .sa_handler = SIG_DFL };

	if (atomic_load(&taken))
		return;
	for (size_t i = RESTARTS; i < MO_COUNTOF(list); i++) {
		if (sigaction(list[i], NULL, &now) < 0 || now.sa_handler != keep)
			continue;
		sigaction(list[i], &usual, NULL);
		if (atomic_fetch_and(&kept, ~(1ull << list[i])) & 1ull << list[i])
			kill(getpid(), list[i]);
	}
}

/* ---- taken ---------------------------------------------------------------- */

/* In a successor one that came before waits blocked, and comes now. */
void mo_signals_take(void *arg)
{
	mo_signals_to *to = arg;
	sigset_t set;
	int number;

	for (size_t i = 0; i < MO_COUNTOF(list); i++) {
		uv_signal_init(&mo_control_loop()->uv, &handles[i]);
		if (!is_ignored(list[i]))
			uv_signal_start(&handles[i], on_signal, list[i]);
	}
	answer.restart = to->restart;
	answer.shutdown = to->shutdown;
	atomic_store(&taken, true);
	mo_control_signals(&set);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	while ((number = mo_signals_kept()) != 0)
		handle(number);
	sem_post(&to->done);
}

void mo_signals_drop(void)
{
	for (size_t i = 0; i < MO_COUNTOF(handles); i++)
		uv_close((uv_handle_t *)&handles[i], NULL);
	atomic_store(&taken, false);
	mo_signals_keep_restarts(); /* nobody is killed by one that comes too late */
}
