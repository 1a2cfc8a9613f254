/* What happens before main(), with what gen/os/origin.c saves: the parts of gen that the
 * environment concerns take theirs out of it, and a process that is to be a supervisor never
 * comes to main(). */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/outlet.h"
#include "gen/engine/signals.h"
#include "gen/join/notify.h"
#include "gen/new/parent.h"
#include "gen/new/successor.h"
#include "gen/os/activate.h"
#include "gen/os/origin.h"
#include "gen/transfer/state.h"
#include "molt.h"
#include "supervisor/supervisor.h"
#include "supervisor/upgrade.h"

/* A program started with closed standard streams would get its listeners there,
 * and write its log to them. */
static void open_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Of the program, by MOLT_AT_START(). */
extern const unsigned molt_at_start __attribute__((weak));

static bool keeps(unsigned what)
{
	return &molt_at_start && molt_at_start & what;
}

/* A program that answers the service manager itself keeps its variables. */
static void take_service_manager(void)
{
	if (keeps(MOLT_KEEP_ENVIRONMENT))
		return;
	mo_activate_take();
	mo_notify_take();
}

static void hide_service_manager(void)
{
	if (!keeps(MOLT_KEEP_ENVIRONMENT))
		mo_notify_hide();
}

/* The first process of a container cannot be replaced: the system would end
 * with it.  The program runs below it. */
static bool is_to_supervise(void)
{
	const mo_origin *start = mo_origin_get();

	return getpid() == 1 && start->exe && start->handover_fd < 0 && !&mo_supervises_itself &&
	       !keeps(MOLT_KEEP_PID_1);
}

void mo_begin(char **argv)
{
	const mo_origin *start = mo_origin_get();
	char *upgrade;

	open_standard_streams();
	mo_signals_keep_restarts();
	mo_state_comes_by(mo_successor_begin);
	mo_origin_save_arguments(argv);
	if (start->handover_fd >= 0) {
		MO_FAULT_ROLE("successor");
		mo_parent_set(getppid());
		mo_successor_report_log();
	}
	take_service_manager();
	upgrade = mo_strdup(secure_getenv(MO_UPGRADE_ENV));
	unsetenv(MO_UPGRADE_ENV);
	mo_origin_save_environment();
	hide_service_manager();
	mo_origin_save_place();
	if (upgrade)
		mo_exit_now(mo_upgrade_begin(upgrade, start->handover_fd));
	if (is_to_supervise())
		mo_exit_now(mo_supervise(start->exe, NULL));
}
