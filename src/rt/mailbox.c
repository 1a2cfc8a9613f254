/* How other threads reach a loop: a queue under a lock, and a uv_async_t that
 * wakes the loop when the queue was empty.
 *
 * Always: what was posted runs in order; after stop_asked only answers come in;
 * after closed nothing does.  The lock is never held over a call of fn. */
#include "rt/loop_internal.h"

#include "base/check.h"

static void add(mo_queue *mails, mo_mail mail)
{
	*(mo_mail *)mo_queue_add(mails, sizeof(mail)) = mail;
}

static const mo_mail *mail_at(const mo_queue *mails, size_t n)
{
	return mo_queue_at(mails, sizeof(mo_mail), n);
}

/* The wake-up is sent under the lock, so that the handle cannot close between. */
static bool mail_in(mo_loop *l, mo_mail mail, bool answer)
{
	mo_mailbox *box;
	bool taken;

	MO_MAGIC_OK(l, MO_LOOP_MAGIC);
	box = &l->p->mail;
	pthread_mutex_lock(&box->lock);
	taken = !box->closed && (answer || !box->stop_asked);
	if (taken) {
		add(&box->in, mail);
		if (box->in.count == 1)
			uv_async_send(&box->wake);
	}
	pthread_mutex_unlock(&box->lock);
	return taken;
}

bool mo_loop_post(mo_loop *l, void (*fn)(void *arg), void *arg)
{
	return mail_in(l, (mo_mail){ fn, arg, false }, false);
}

bool mo_loop_spawn(mo_loop *l, void (*fn)(void *arg), void *arg)
{
	return mail_in(l, (mo_mail){ fn, arg, true }, false);
}

void mo_loop_answer(mo_loop *l, void (*fn)(void *arg), void *arg)
{
	MO_CHECK(mail_in(l, (mo_mail){ fn, arg, false }, true));
}

/* Without a stack the spawn waits for the end of another coroutine. */
static void spawn(mo_loop *l, mo_mail mail)
{
	mo_co *co = mo_co_new(l, 0, mail.fn, mail.arg);

	if (co) {
		mo_co_resume(co);
		return;
	}
	if (l->p->live == 0)
		MO_DIE("no memory for the stack of one coroutine");
	add(&l->p->mail.starved, mail);
}

void mo_mailbox_retry(mo_loop *l)
{
	mo_queue *starved = &l->p->mail.starved;
	const mo_mail *next = mail_at(starved, 0);
	mo_co *co = mo_co_new(l, 0, next->fn, next->arg);

	if (!co)
		return;
	mo_queue_drop(starved);
	mo_ready_push(co);
}

static void on_wake(uv_async_t *h)
{
	mo_loop *l = uv_handle_get_data((uv_handle_t *)h);
	struct mo_loop_private *p = l->p;
	mo_mailbox *box = &p->mail;
	mo_queue now;
	bool stop;

	pthread_mutex_lock(&box->lock);
	now = box->in;
	box->in = box->spare;
	stop = box->stop_asked;
	pthread_mutex_unlock(&box->lock);
	for (size_t i = 0; i < now.count; i++) {
		const mo_mail *mail = mail_at(&now, i);

		if (mail->spawn)
			spawn(l, *mail);
		else
			mail->fn(mail->arg);
	}
	now.count = 0;
	box->spare = now;
	if (stop && !p->stopping) {
		p->stopping = true;
		mo_loop_hold_update(l);
	}
}

void mo_mailbox_stop(mo_loop *l)
{
	mo_mailbox *box = &l->p->mail;

	pthread_mutex_lock(&box->lock);
	if (!box->stop_asked) {
		box->stop_asked = true;
		uv_async_send(&box->wake);
	}
	pthread_mutex_unlock(&box->lock);
}

int mo_mailbox_init(mo_loop *l)
{
	mo_mailbox *box = &l->p->mail;
	int err = uv_async_init(&l->uv, &box->wake, on_wake);

	if (err < 0)
		return err;
	uv_handle_set_data((uv_handle_t *)&box->wake, l);
	pthread_mutex_init(&box->lock, NULL);
	return 0;
}

void mo_mailbox_close(mo_loop *l)
{
	mo_mailbox *box = &l->p->mail;

	pthread_mutex_lock(&box->lock);
	MO_CHECK(box->in.count == 0);
	box->closed = true;
	uv_close((uv_handle_t *)&box->wake, NULL);
	pthread_mutex_unlock(&box->lock);
}

void mo_mailbox_fini(mo_loop *l)
{
	mo_mailbox *box = &l->p->mail;

	mo_queue_free(&box->in);
	mo_queue_free(&box->spare);
	mo_queue_free(&box->starved);
	pthread_mutex_destroy(&box->lock);
}
