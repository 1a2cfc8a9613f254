/* Names what blocks a loop.  One thread looks at each watched loop; when a loop
 * has not turned for the limit (250 ms) while it runs something, it logs once
 * per incident: "loop 1 blocked for 312 ms by route GET /report; use molt_block()
 * or .blocking", and the total when the loop goes on.  Where the library itself waits,
 * the line says what the library does instead: mo_loop_inside(). */
#ifndef MO_RT_WATCHDOG_H
#define MO_RT_WATCHDOG_H

#include "rt/loop.h"

int mo_watchdog_start(mo_loop *const *loops, int count, molt_time limit);
void mo_watchdog_stop(void);
/* How long the loop that has been blocked longest is blocked by now, ms. [any] */
molt_time mo_watchdog_stuck(void);
/* Incidents so far, for the status page and tests. [any] */
unsigned long mo_watchdog_incidents(void);

#endif
