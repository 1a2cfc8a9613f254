/* The signals that mean a restart or a shutdown; see signals.h. */
#include "gen/signals.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

#include "base/check.h"
#include "base/clock.h"
#include "gen/control.h"
#include "gen/request.h"
#include "gen/spawn.h"

static uv_signal_t handles[6];

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

static void on_signal(uv_signal_t *h, int number)
{
	if (number == SIGUSR1 || number == SIGUSR2) {
		mo_request_by_signal();
	} else if (!asked_just_now()) {
		mo_control_shutdown_now(NULL);
	}
}

static bool is_ignored(int number)
{
	struct sigaction now;

	return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

/* On the control thread.  A signal that came before waits blocked (in a
 * successor) and is taken now.  An ignored SIGHUP (nohup) stays ignored. */
void mo_signals_take(void *done)
{
	static const int list[] = { SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGQUIT, SIGHUP };
	sigset_t set;

	for (size_t i = 0; i < MO_COUNTOF(list); i++) {
		uv_signal_init(&mo_control_loop()->uv, &handles[i]);
		if (!is_ignored(list[i]))
			uv_signal_start(&handles[i], on_signal, list[i]);
	}
	mo_control_signals(&set);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	sem_post(done);
}

void mo_signals_drop(void)
{
	for (size_t i = 0; i < MO_COUNTOF(handles); i++)
		uv_close((uv_handle_t *)&handles[i], NULL);
}
