/* Time: deadlines on the monotonic clock, dates on the wall clock. */
#ifndef MO_BASE_CLOCK_H
#define MO_BASE_CLOCK_H

#include <stddef.h>

#include "molt.h"

molt_time mo_now(void);	     /* monotonic, ms; never 0 */
molt_time mo_wall(void);     /* ms since 1970 UTC */
/* now + t, or INT64_MAX for MOLT_FOREVER. */
molt_time mo_deadline(molt_time t);
/* Time left until the deadline: >= 0, or MOLT_FOREVER for INT64_MAX. */
molt_time mo_left(molt_time deadline);
/* The shorter of two spans; either may be MOLT_FOREVER. */
static inline molt_time mo_shorter(molt_time a, molt_time b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

#endif
