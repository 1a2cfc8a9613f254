/* Promises of http/conn/conn_state.h: each transition of the table passes, every other one ends
 * the process with a sentence that names both states. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/check.h"
#include "http/conn/conn_protocol.h"
#include "unit.h"

#define ROW(from, to) { MO_CONN_##from, MO_CONN_##to },
static const struct row {
	unsigned from;
	enum mo_conn_state to;
} table[] = { MO_CONN_TABLE(ROW) };

static bool stands_in_table(unsigned from, unsigned to)
{
	for (size_t i = 0; i < MO_COUNTOF(table); i++)
		if (table[i].from == from && table[i].to == to)
			return true;
	return false;
}

static void each_transition_of_the_table_passes(void **state)
{
	for (size_t i = 0; i < MO_COUNTOF(table); i++) {
		mo_conn c = { .state = (uint8_t)table[i].from };

		mo_conn_set_state(&c, table[i].to);
		assert_int_equal(c.state, table[i].to);
	}
}

/* Tries it in a child, whose last words go to text.  Its exit status. */
static int try(unsigned from, unsigned to, char *text, size_t size)
{
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit none = { 0, 0 };
		mo_conn c = { .state = (uint8_t)from };

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		dup2(ends[1], STDERR_FILENO);
		mo_conn_set_state(&c, (enum mo_conn_state)to);
		_exit(0);
	}
	close(ends[1]);
	n = uninterrupted(read(ends[0], text, size - 1)); /* one write of less than a pipe holds */
	text[n > 0 ? n : 0] = '\0';
	close(ends[0]);
	assert_int_equal(uninterrupted(waitpid(pid, &status, 0)), pid);
	return status;
}

static void a_forbidden_transition_ends_the_process_with_a_sentence(void **state)
{
	char text[512], sentence[128];

	for (unsigned from = 0; from < MO_CONN_STATES; from++) {
		for (unsigned to = 0; to < MO_CONN_STATES; to++) {
			int status;

			if (stands_in_table(from, to))
				continue;
			status = try(from, to, text, sizeof(text));
			assert_true(WIFSIGNALED(status));
			assert_int_equal(WTERMSIG(status), SIGABRT);
			snprintf(sentence, sizeof(sentence),
				 "a connection that is %s cannot become %s",
				 mo_conn_state_name(from), mo_conn_state_name(to));
			assert_non_null(strstr(text, sentence));
		}
	}
}

static void nothing_leads_out_of_closed_nor_back_from_linger(void **state)
{
	for (unsigned to = 0; to < MO_CONN_STATES; to++) {
		assert_false(mo_conn_may_become(MO_CONN_CLOSED, (enum mo_conn_state)to));
		assert_int_equal(mo_conn_may_become(MO_CONN_LINGER, (enum mo_conn_state)to),
				 to == MO_CONN_CLOSED);
		assert_false(mo_conn_may_become(to, MO_CONN_NEW));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_transition_of_the_table_passes),
		cmocka_unit_test(a_forbidden_transition_ends_the_process_with_a_sentence),
		cmocka_unit_test(nothing_leads_out_of_closed_nor_back_from_linger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
