/* Promises of coroutines: rt/co.h, rt/stack.h, rt/overflow.h. */
#include "rt_unit.h"

#include <fenv.h>
#include <limits.h>
#include <pthread.h>

#include "rt/co.h"
#include "rt/park.h"
#include "rt/sanitize.h"
#include "rt/stack.h"

#define MANY (MO_TSAN ? 500 : 10000)

/* ---- switching ---------------------------------------------------------- */

static char trace[16];

static void mark(const char *s)
{
	strcat(trace, s);
}

static void two_steps(void *arg)
{
	mark("b");
	mo_co_yield();
	mark("d");
	*(bool *)arg = true;
}

static void resume_twice(void *arg)
{
	mo_co *co = mo_co_new(mo_loop_self(), 0, two_steps, arg);

	assert_non_null(co);
	assert_null(mo_co_self());
	assert_ptr_equal(mo_co_loop(co), mo_loop_self());
	mark("a");
	assert_false(mo_co_resume(co));
	mark("c");
	assert_true(mo_co_resume(co));
	mark("e");
}

static void resume_runs_until_the_yield_and_then_to_the_end(void **state)
{
	bool ended = false;

	trace[0] = '\0';
	run_on_loop(resume_twice, &ended);
	assert_true(ended);
	assert_string_equal(trace, "abcde");
}

static void keeps_errno(void *arg)
{
	errno = EPROTO;
	mo_co_yield();
	assert_int_equal(errno, EPROTO);
	errno = EDOM;
}

static void switch_with_errno(void *arg)
{
	mo_co *co = mo_co_new(mo_loop_self(), 0, keeps_errno, NULL);

	errno = ENOENT;
	mo_co_resume(co);
	assert_int_equal(errno, ENOENT);
	errno = EBADF;
	mo_co_resume(co);
	assert_int_equal(errno, EBADF);
}

static void errno_is_kept_on_both_sides(void **state)
{
	run_on_loop(switch_with_errno, NULL);
}

/* Volatile, so that the division happens under the mode of the moment. */
static double third(void)
{
	volatile double one = 1, three = 3;

	return one / three;
}

static void rounds_up(void *arg)
{
	volatile double a = 0.5, b = 0.25;
	double up;

	fesetround(FE_UPWARD);
	up = third();
	mo_co_yield();
	assert_int_equal(fegetround(), FE_UPWARD);
	assert_true(third() == up);
	assert_true(a + b == 0.75);
	*(double *)arg = up;
}

static void switch_with_rounding(void *arg)
{
	double up = 0, nearest = third();
	mo_co *co = mo_co_new(mo_loop_self(), 0, rounds_up, &up);

	mo_co_resume(co);
	assert_int_equal(fegetround(), FE_TONEAREST);
	assert_true(third() == nearest);
	mo_co_resume(co);
	assert_int_equal(fegetround(), FE_TONEAREST);
	assert_true(up > nearest);
}

static void the_floating_point_mode_belongs_to_the_coroutine(void **state)
{
#if MO_VALGRIND
	if (RUNNING_ON_VALGRIND)
		skip_because("valgrind always rounds to nearest");
#endif
	run_on_loop(switch_with_rounding, NULL);
}

/* More live values than there are registers that a call keeps. */
static void many_registers(void *arg)
{
	volatile long *seed = arg;
	long a = *seed, b = a + 1, c = a + 2, d = a + 3, e = a + 4, f = a + 5, g = a + 6, h = a + 7;
	double x = (double)a / 2, y = x + 1;

	mo_co_yield();
	*seed = a + b + c + d + e + f + g + h + (long)(x + y);
}

static void switch_with_registers(void *arg)
{
	volatile long one = 100, two = 2000;
	mo_co *first = mo_co_new(mo_loop_self(), 0, many_registers, (void *)&one);
	mo_co *second = mo_co_new(mo_loop_self(), 0, many_registers, (void *)&two);

	mo_co_resume(first);
	mo_co_resume(second);
	mo_co_resume(first);
	mo_co_resume(second);
	assert_int_equal(one, 8 * 100 + 28 + 101);
	assert_int_equal(two, 8 * 2000 + 28 + 2001);
}

static void local_values_live_over_a_yield(void **state)
{
	run_on_loop(switch_with_registers, NULL);
}

/* ---- stacks ------------------------------------------------------------- */

__attribute__((noinline)) static unsigned dig(size_t bytes)
{
	volatile unsigned char hole[1024];

	memset((void *)hole, (int)(bytes & 0xff), sizeof(hole));
	if (bytes <= 2048)
		return hole[17];
	return dig(bytes - 1200) + hole[5];
}

static void deep(void *arg)
{
	assert_true(dig(48 << 10) > 0);
}

static void most_of_the_stack_can_be_used(void **state)
{
	run_co(deep, NULL);
}

static void very_deep(void *arg)
{
	assert_true(dig(900 << 10) > 0);
	*(bool *)arg = true;
}

static void start_large(void *arg)
{
	mo_co *co = mo_co_new(mo_loop_self(), 1 << 20, very_deep, arg);

	assert_non_null(co);
	assert_true(mo_co_resume(co));
}

static void a_larger_stack_can_be_asked_for(void **state)
{
	bool ran = false;

	run_on_loop(start_large, &ran);
	assert_true(ran);
}

static void ask_too_much(void *arg)
{
	assert_null(mo_co_new(mo_loop_self(), SIZE_MAX / 2, deep, NULL));
}

static void a_stack_beyond_all_limits_is_refused(void **state)
{
	run_on_loop(ask_too_much, NULL);
}

static void wait_turn(void *arg)
{
	mo_co_yield();
	++*(int *)arg;
}

static void start_many(void *arg)
{
	mo_co **all = calloc(MANY, sizeof(all[0]));

	for (int i = 0; i < MANY; i++) {
		all[i] = mo_co_new(mo_loop_self(), 0, wait_turn, arg);
		assert_non_null(all[i]);
		assert_false(mo_co_resume(all[i]));
	}
	for (int i = 0; i < MANY; i++)
		assert_true(mo_co_resume(all[i]));
	free(all);
}

static void ten_thousand_can_be_parked_at_once(void **state)
{
	int ended = 0;

	run_on_loop(start_many, &ended);
	assert_int_equal(ended, MANY);
}

static void note_stack(void *arg)
{
	char here;

	*(uintptr_t *)arg = (uintptr_t)__builtin_frame_address(0);
	(void)here;
}

static void start_two(void *arg)
{
	uintptr_t *at = arg;

	mo_co_resume(mo_co_new(mo_loop_self(), 0, note_stack, &at[0]));
	mo_co_resume(mo_co_new(mo_loop_self(), 0, note_stack, &at[1]));
}

static void the_stack_put_back_last_is_used_first(void **state)
{
	uintptr_t at[2] = { 0, 1 };

	run_on_loop(start_two, at);
	assert_int_equal(at[0], at[1]);
}

static void stacks_do_not_touch_and_are_writable(void **state)
{
	mo_stacks all = { 0 };
	mo_stack *s[200];

	for (int i = 0; i < 200; i++) {
		s[i] = mo_stack_get(&all, i % 3 == 0 ? 20000 : 0);
		assert_non_null(s[i]);
		assert_true(s[i]->size >= 20000);
		s[i]->low[0] = (char)i;
		s[i]->low[s[i]->size - 1] = (char)i;
	}
	for (int i = 0; i < 200; i++) {
		assert_int_equal(s[i]->low[0], (char)i);
		assert_int_equal(s[i]->low[s[i]->size - 1], (char)i);
		mo_stack_put(&all, s[i]);
	}
	mo_stacks_fini(&all);
}

/* Uses count stacks and puts them back. */
static void use_stacks(mo_stacks *all, mo_stack **s, int count)
{
	for (int i = 0; i < count; i++) {
		s[i] = mo_stack_get(all, 0);
		s[i]->low[0] = 'x';
	}
	for (int i = count; i-- > 0;)
		mo_stack_put(all, s[i]);
}

static void stacks_that_rest_give_their_pages_back_and_warm_ones_keep_them(void **state)
{
	mo_stacks all = { 0 };
	mo_stack *s[192];
	int kept = 0;

	use_stacks(&all, s, 192);
	assert_true(all.crowded);
	assert_true(mo_stacks_trim(&all));  /* all were just used */
	assert_false(mo_stacks_trim(&all)); /* none was since */
	for (int i = 0; i < 192; i++)
		kept += s[i]->low[0] == 'x';
	assert_int_equal(kept, MO_STACK_WARM);
	assert_int_equal(s[0]->low[0], 'x');
	mo_stacks_fini(&all);
}

/* ---- misuse ends the process -------------------------------------------- */

static void *resume_elsewhere(void *arg)
{
	mo_co_resume(arg);
	return NULL;
}

static void resume_from_another_thread(void *arg)
{
	mo_co *co = mo_co_new(mo_loop_self(), 0, two_steps, NULL);
	pthread_t t;

	pthread_create(&t, NULL, resume_elsewhere, co);
	pthread_join(t, NULL);
	_exit(0);
}

static void child_resumes_from_another_thread(void)
{
	run_on_loop(resume_from_another_thread, NULL);
}

static void resume_from_another_thread_dies(void **state)
{
	assert_true(dies(child_resumes_from_another_thread));
}

static void resume_self(void *arg)
{
	mo_co_resume(mo_co_self());
}

static void child_resumes_itself(void)
{
	run_co(resume_self, NULL);
}

static void resume_inside_a_coroutine_dies(void **state)
{
	assert_true(dies(child_resumes_itself));
}

/* ---- overflow ----------------------------------------------------------- */

__attribute__((noinline)) static unsigned dig_for_ever(unsigned n)
{
	volatile unsigned char hole[512];

	hole[0] = (unsigned char)n;
	hole[511] = hole[0];
	if (n == UINT_MAX)
		return 0;
	return dig_for_ever(n + 1) + hole[n % 512];
}

static void overflows(void *arg)
{
	mo_co_set_name(mo_co_self(), "GET /deep");
	dig_for_ever(*(unsigned *)arg);
}

static void crashes(void *arg)
{
	mo_co_set_name(mo_co_self(), "GET /null");
	**(volatile int **)arg = 1;
}

/* Runs fn as a coroutine of a loop's thread in a child; its stderr into text. */
static int child_status(void (*fn)(void *), void *arg, char *text, size_t size)
{
	int ends[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		struct rlimit none = { 0, 0 };
		mo_loop *l;

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGSEGV, SIG_DFL);
		dup2(ends[1], STDERR_FILENO);
		l = mo_loop_new(0);
		mo_loop_start(l, "overflow");
		mo_loop_spawn(l, fn, arg);
		mo_loop_free(l);
		_exit(0);
	}
	close(ends[1]);
	while ((n = read(ends[0], text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(ends[0]);
	assert_int_equal(uninterrupted(waitpid(pid, &status, 0)), pid);
	return status;
}

static void an_overflow_is_reported_with_the_name_and_kills(void **state)
{
	char text[8192];
	unsigned n = 0;
	int status = child_status(overflows, &n, text, sizeof(text));

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	assert_non_null(strstr(text, "stack overflow in route GET /deep"));
	assert_non_null(strstr(text, "raise stack_size"));
}

static void another_crash_is_not_called_an_overflow(void **state)
{
	char text[8192];
	int *nowhere = (int *)64; /* not NULL, which UBSan would report by itself */
	int status = child_status(crashes, &nowhere, text, sizeof(text));

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	assert_null(strstr(text, "overflow"));
}

/* ---- names -------------------------------------------------------------- */

static void named(void *arg)
{
	assert_null(mo_co_name(mo_co_self()));
	mo_co_set_name(mo_co_self(), "GET /");
	assert_string_equal(mo_co_name(mo_co_self()), "GET /");
}

static void name_twice(void *arg)
{
	mo_co_resume(mo_co_new(mo_loop_self(), 0, named, NULL));
	mo_co_resume(mo_co_new(mo_loop_self(), 0, named, NULL));
}

static void a_reused_coroutine_has_no_name_of_the_last(void **state)
{
	run_on_loop(name_twice, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: the handler is installed once, by the first loop of a process,
		 * and here that must be the child's. */
		cmocka_unit_test(an_overflow_is_reported_with_the_name_and_kills),
		cmocka_unit_test(another_crash_is_not_called_an_overflow),
		cmocka_unit_test(resume_runs_until_the_yield_and_then_to_the_end),
		cmocka_unit_test(errno_is_kept_on_both_sides),
		cmocka_unit_test(the_floating_point_mode_belongs_to_the_coroutine),
		cmocka_unit_test(local_values_live_over_a_yield),
		cmocka_unit_test(most_of_the_stack_can_be_used),
		cmocka_unit_test(a_larger_stack_can_be_asked_for),
		cmocka_unit_test(a_stack_beyond_all_limits_is_refused),
		cmocka_unit_test(ten_thousand_can_be_parked_at_once),
		cmocka_unit_test(the_stack_put_back_last_is_used_first),
		cmocka_unit_test(stacks_do_not_touch_and_are_writable),
		cmocka_unit_test(stacks_that_rest_give_their_pages_back_and_warm_ones_keep_them),
		cmocka_unit_test(resume_from_another_thread_dies),
		cmocka_unit_test(resume_inside_a_coroutine_dies),
		cmocka_unit_test(a_reused_coroutine_has_no_name_of_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
