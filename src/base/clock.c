/* Time; see clock.h. */
#include "base/clock.h"

#include <time.h>

molt_time mo_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (molt_time)ts.tv_sec * 1000 + ts.tv_nsec / 1000000 + 1;
}

molt_time mo_wall(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (molt_time)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

molt_time mo_deadline(molt_time t)
{
	return t < 0 || t > INT64_MAX / 2 ? INT64_MAX : mo_now() + t;
}

molt_time mo_left(molt_time deadline)
{
	molt_time now;

	if (deadline == INT64_MAX)
		return MOLT_FOREVER;
	now = mo_now();
	return deadline > now ? deadline - now : 0;
}
