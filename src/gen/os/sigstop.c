/* Processes that a SIGSTOP has stopped; see sigstop.h. */
#include "gen/os/sigstop.h"

#include "base/clock.h"
#include "rt/small_file.h"

/* 'T'; one that is traced has 't'. */
bool mo_sigstop_now(pid_t pid)
{
	char state;

	return mo_process_state(pid, &state, NULL) && state == 'T';
}

bool mo_sigstop_for(mo_sigstop *s, pid_t pid, molt_time limit)
{
	molt_time passed = mo_now() - s->looked;

	if (pid <= 0 || passed < MO_SIGSTOP_LOOK)
		return false;
	if (passed > MO_SIGSTOP_LOOK_MAX)
		passed = MO_SIGSTOP_LOOK_MAX;
	s->looked = mo_now();
	s->stopped = mo_sigstop_now(pid) ? s->stopped + passed : 0;
	return s->stopped >= limit;
}
