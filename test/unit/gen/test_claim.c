/* Promises of gen/drain/claim.h: when the generation in the middle has died, one of the two others
 * serves, and the older one decides which. */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gen/drain/claim.h"
#include "gen/wire/question.h"
#include "rt/loop.h"

static int younger, older; /* the ends of the line */
static pid_t pid;          /* of the older one */
static bool ours;
static sem_t asked;

static void ask(void *unused)
{
	ours = mo_claim_ask(younger, 1, pid);
	sem_post(&asked);
}

/* The older one, which hears that many questions; knows: it answers. */
typedef struct role {
	int questions;
	bool knows;
} role;

static void *hear(void *arg)
{
	const role *r = arg;

	for (int i = 0; i < r->questions; i++) {
		mo_wire_msg m;

		assert_int_equal(mo_wire_await(older, 5000), 1);
		assert_int_equal(mo_wire_recv(older, &m), 1);
		assert_true(mo_message_answers(&m, MO_MSG_CLAIM));
		if (r->knows)
			mo_claim_hear(NULL, &m);
		mo_wire_free(&m);
	}
	return NULL;
}

/* Asks in a coroutine while a thread is the older one. */
static bool claim(role r)
{
	mo_loop *l = mo_loop_new(0);
	pthread_t thread;

	sem_init(&asked, 0, 0);
	assert_int_equal(mo_loop_start(l, "claim"), 0);
	assert_int_equal(pthread_create(&thread, NULL, hear, &r), 0);
	assert_true(mo_loop_spawn(l, ask, NULL));
	while (sem_wait(&asked) < 0)
		continue;
	pthread_join(thread, NULL);
	mo_loop_stop(l);
	mo_loop_free(l);
	return ours;
}

static int begin(void **state)
{
	mo_claim_forget();
	pid = getpid();
	return mo_wire_pair(&younger, &older);
}

static int end(void **state)
{
	close(younger);
	if (older >= 0)
		close(older);
	return 0;
}

static void hang_up(void)
{
	close(older);
	older = -1;
}

static void one_that_stands_by_serves_again(void **state)
{
	mo_claim_stand_by(true);
	assert_false(claim((role){ 1, true }));
	assert_false(mo_claim_given_away());
}

static void one_that_does_not_leaves_the_service_for_good(void **state)
{
	assert_true(claim((role){ 1, true }));
	assert_true(mo_claim_given_away());
	mo_claim_stand_by(true);
	assert_true(claim((role){ 1, true }));
}

static void one_that_has_closed_the_line_and_lives_serves(void **state)
{
	hang_up();
	assert_false(claim((role){ 0, true }));
}

static void one_that_has_ended_does_not(void **state)
{
	hang_up();
	pid = fork();
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(claim((role){ 0, true }));
}

static void one_that_does_not_know_the_question_does_not_hold_up_the_service(void **state)
{
	assert_true(claim((role){ 3, false }));
}

static void one_whose_answer_nobody_waits_for_does_not_come_back(void **state)
{
	int answer, theirs;
	mo_wire_msg m;

	mo_claim_stand_by(true);
	assert_int_equal(mo_wire_pair(&answer, &theirs), 0);
	assert_int_equal(mo_wire_send(younger, mo_message_new(MO_MSG_CLAIM, NULL), &theirs, 1), 0);
	close(theirs);
	close(answer);
	assert_int_equal(mo_wire_recv(older, &m), 1);
	mo_claim_hear(NULL, &m);
	mo_wire_free(&m);
	assert_true(mo_claim_given_away());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_that_stands_by_serves_again, begin, end),
		cmocka_unit_test_setup_teardown(one_that_does_not_leaves_the_service_for_good,
						begin, end),
		cmocka_unit_test_setup_teardown(one_that_has_closed_the_line_and_lives_serves,
						begin, end),
		cmocka_unit_test_setup_teardown(one_that_has_ended_does_not, begin, end),
		cmocka_unit_test_setup_teardown(
			one_that_does_not_know_the_question_does_not_hold_up_the_service, begin,
			end),
		cmocka_unit_test_setup_teardown(
			one_whose_answer_nobody_waits_for_does_not_come_back, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
