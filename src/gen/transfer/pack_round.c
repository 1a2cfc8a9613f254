/* What the loops have packed in this round; see pack_round.h. */
#include "gen/transfer/pack_round.h"

#include <pthread.h>

static struct {
	pthread_mutex_t lock;
	unsigned round;
	bool open;
	mo_gen_batch *first;
} packed = { .lock = PTHREAD_MUTEX_INITIALIZER };

unsigned mo_round_open(void)
{
	unsigned round;

	pthread_mutex_lock(&packed.lock);
	packed.open = true;
	round = ++packed.round;
	pthread_mutex_unlock(&packed.lock);
	return round;
}

void mo_round_add(unsigned round, mo_gen_batch *(*pack)(void *arg), void *arg)
{
	mo_gen_batch *b = NULL;

	pthread_mutex_lock(&packed.lock);
	if (packed.open && packed.round == round)
		b = pack(arg);
	if (b) {
		b->next = packed.first;
		packed.first = b;
	}
	pthread_mutex_unlock(&packed.lock);
}

mo_gen_batch *mo_round_close(void)
{
	mo_gen_batch *all;

	pthread_mutex_lock(&packed.lock);
	packed.open = false;
	all = packed.first;
	packed.first = NULL;
	pthread_mutex_unlock(&packed.lock);
	return all;
}
