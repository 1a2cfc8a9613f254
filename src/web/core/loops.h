/* The event loops that serve: shared by all servers of the process. */
#ifndef MO_WEB_CORE_LOOPS_H
#define MO_WEB_CORE_LOOPS_H

#include "rt/loop.h"

/* Starts count loops (0: as many as the CPUs we may use) once; later calls do
 * nothing.  -errno from the system. */
int mo_loops_start(int count);
int mo_loops_count(void);
mo_loop *mo_loops_get(int i);

/* Runs fn(loop, arg) on every loop and waits until each has, at most timeout ms
 * (a handler may block a loop): false then, and fn still runs later, so arg
 * must outlive that.  From any thread but a serving loop's; in a coroutine of
 * the control loop it parks. */
bool mo_loops_run(void (*fn)(mo_loop *l, void *arg), void *arg, molt_time timeout);
/* The same, in a coroutine: it gives up, too, when go_on(go_on_arg), asked every 20 ms or
 * so, is false.  NULL: not asked. */
bool mo_loops_run_while(void (*fn)(mo_loop *l, void *arg), void *arg, molt_time timeout,
			bool (*go_on)(void *go_on_arg), void *go_on_arg);

/* Ends and frees them; every connection must be closed.  end: of what others keep on each
 * loop, there. */
void mo_loops_stop(void (*end)(mo_loop *l));

#endif
