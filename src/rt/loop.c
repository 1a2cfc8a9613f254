/* The life of a loop; see loop.h.
 *
 *   state      event                    -> next
 *   NEW        mo_loop_start/_run       -> RUNNING
 *   RUNNING    mo_loop_stop             -> STOPPING  no more posts are taken
 *   STOPPING   no live coroutine, no    -> CLOSED    own handles closed, uv_run
 *              active handle of others               has returned
 *   CLOSED     mo_loop_free             -> gone
 *
 * The mailbox's handle holds the loop until it is STOPPING, and then as long as
 * a coroutine lives; no other handle of our own ever does. */
#include "rt/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "rt/loop_internal.h"
#include "rt/overflow.h"
#include "rt/sanitize.h"

/* Eight bytes of the static block: reading it is one instruction. */
static _Thread_local mo_loop *self __attribute__((tls_model("initial-exec")));

mo_loop *mo_loop_self(void)
{
	return self;
}

void mo_loop_inside(const char *what)
{
	if (self)
		atomic_store_explicit(&self->p->inside, what, memory_order_relaxed);
}

molt_time mo_loop_now(mo_loop *l)
{
	return (molt_time)uv_now(&l->uv) + 1; /* mo_now() counts from 1 */
}

mo_loop *mo_loop_new(int index)
{
	mo_loop *l = mo_calloc(1, sizeof(*l));
	int err = uv_loop_init(&l->uv);

	l->magic = MO_LOOP_MAGIC;
	l->index = index;
	l->p = mo_calloc(1, sizeof(*l->p));
	if (err == 0) {
		err = mo_mailbox_init(l);
		if (err < 0)
			uv_loop_close(&l->uv);
	}
	if (err < 0) {
		free(l->p);
		free(l);
		errno = -err;
		return NULL;
	}
	mo_overflow_install();
	mo_timers_init(l);
	mo_turn_init(l);
	mo_cos_init(l);
	l->p->date_looked = -1;
	return l;
}

void mo_loop_hold_update(mo_loop *l)
{
	struct mo_loop_private *p = l->p;

	if (!p->stopping)
		return;
	if (p->live > 0)
		uv_ref((uv_handle_t *)&p->mail.wake);
	else
		uv_unref((uv_handle_t *)&p->mail.wake);
}

static void close_own_handles(mo_loop *l)
{
	mo_mailbox_close(l);
	mo_cos_close(l);
	mo_timers_close(l);
	mo_turn_close(l);
	mo_watches_close(l);
	uv_run(&l->uv, UV_RUN_DEFAULT);
}

void mo_loop_run(mo_loop *l)
{
	struct mo_loop_private *p;
	void *signal_stack;

	MO_MAGIC_OK(l, MO_LOOP_MAGIC);
	p = l->p;
	MO_CHECK(!self && !p->finished);
	signal_stack = mo_overflow_enter();
	self = l;
	atomic_store(&p->tid, (int)gettid());
	do
		uv_run(&l->uv, UV_RUN_DEFAULT);
	while (!p->stopping || p->live > 0);
	close_own_handles(l);
	p->finished = true;
	atomic_store(&p->tid, 0);
	self = NULL;
	mo_overflow_leave(signal_stack);
}

/* Nobody cancels a loop's thread.  With cancellation off and "asynchronous" the C
 * library changes nothing around its system calls, which would take two locked
 * instructions each. */
static void *thread_main(void *arg)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	mo_loop_run(arg);
	return NULL;
}

int mo_loop_start(mo_loop *l, const char *thread_name)
{
	int err;

	MO_MAGIC_OK(l, MO_LOOP_MAGIC);
	MO_CHECK(!l->p->started && !l->p->finished);
	err = mo_thread_start(&l->p->thread, thread_name, 0, thread_main, l);
	l->p->started = err == 0;
	return err;
}

void mo_loop_stop(mo_loop *l)
{
	MO_MAGIC_OK(l, MO_LOOP_MAGIC);
	mo_mailbox_stop(l);
}

static void name_handle(uv_handle_t *h, void *arg)
{
	const char **name = arg;

	*name = uv_handle_type_name(uv_handle_get_type(h));
}

static void close_uv(mo_loop *l)
{
	const char *name = "none";

	if (uv_loop_close(&l->uv) == 0)
		return;
	uv_walk(&l->uv, name_handle, &name);
	MO_DIE("loop %d ended with a handle that nobody closed (%s)", l->index, name);
}

void mo_loop_free(mo_loop *l)
{
	struct mo_loop_private *p;

	if (!l)
		return;
	mo_loop_stop(l);
	p = l->p;
	if (p->started)
		pthread_join(p->thread, NULL);
	else if (!p->finished)
		mo_loop_run(l); /* never started: its handles are closed here */
	close_uv(l);
	mo_watches_free(l);
	mo_cos_free(l);
	mo_mailbox_fini(l);
	mo_chunk_cache_drain(&l->chunks);
	while (p->spare_count)
		free(p->spare[--p->spare_count]);
	l->magic = 0;
	free(p);
	free(l);
}

/* ---- small things that each loop keeps ---------------------------------- */

char *mo_loop_buffer_get(mo_loop *l)
{
	struct mo_loop_private *p = l->p;

	return p->spare_count ? p->spare[--p->spare_count] : mo_malloc(MO_LOOP_BUFFER);
}

void mo_loop_buffer_put(mo_loop *l, char *buf)
{
	struct mo_loop_private *p = l->p;

	if (!buf)
		return;
	if (MO_ASAN || p->spare_count == MO_LOOP_SPARE_BUFFERS)
		free(buf);
	else
		p->spare[p->spare_count++] = buf;
}

/* Not strftime(): names of days and months must not follow the locale. */
static void date_format(char *out, size_t size, time_t t)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm;

	gmtime_r(&t, &tm);
	snprintf(out, size, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * tm.tm_wday,
		 tm.tm_mday, months + 3 * tm.tm_mon, (tm.tm_year + 1900) % 10000, tm.tm_hour,
		 tm.tm_min, tm.tm_sec);
}

const char *mo_loop_http_date(mo_loop *l)
{
	struct mo_loop_private *p = l->p;
	molt_time now = mo_loop_now(l), second;

	if (p->date_looked == now)
		return p->date;
	p->date_looked = now;
	second = mo_wall() / 1000;
	if (p->date_second != second) {
		p->date_second = second;
		date_format(p->date, sizeof(p->date), (time_t)second);
	}
	return p->date;
}
