/* Processes that a SIGSTOP has stopped; see sigstop.h. */
#include "gen/os/sigstop.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "rt/small_file.h"

/* 'T'; one that is traced has 't'. */
static bool is_stopped(pid_t pid)
{
	char path[32], text[128], *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	(void)mo_read_small(path, text, sizeof(text));
	end = strrchr(text, ')'); /* of its name, which may hold anything */
	return end && end[1] == ' ' && end[2] == 'T';
}

bool mo_sigstop_for(mo_sigstop *s, pid_t pid, molt_time limit)
{
	molt_time passed = mo_now() - s->looked;

	if (pid <= 0 || passed < MO_SIGSTOP_LOOK)
		return false;
	if (passed > MO_SIGSTOP_LOOK_MAX)
		passed = MO_SIGSTOP_LOOK_MAX;
	s->looked = mo_now();
	s->stopped = is_stopped(pid) ? s->stopped + passed : 0;
	return s->stopped >= limit;
}
