/* Every choice of a schedule: drawn from its seed, or, for small cases, each order of the
 * first steps once; see sim.h. */
#include "base/check.h"
#include "sim.h"

#define DEEPEST 64u

static uint64_t state;

/* xorshift64*; any start but 0 will do. */
static uint64_t draw(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 2685821657736338717u;
}

void sim_choice_seed(uint64_t seed)
{
	state = (seed + 1) * 0x9e3779b97f4a7c15u;
	if (state == 0)
		state = 1;
	for (int i = 0; i < 4; i++)
		(void)draw();
}

unsigned sim_choice(unsigned n)
{
	MO_CHECK(n > 0);
	return (unsigned)((draw() >> 33) % n);
}

bool sim_chance(unsigned of)
{
	return sim_choice(of) == 0;
}

/* ---- orders --------------------------------------------------------------------- */

/* An odometer: digit i was taken of `of` in the present order. */
static struct {
	bool on;
	unsigned depth, at;
	unsigned digit[DEEPEST], of[DEEPEST];
} orders;

void sim_orders_begin(unsigned depth)
{
	orders.on = true;
	orders.depth = depth < DEEPEST ? depth : DEEPEST;
	for (unsigned i = 0; i < DEEPEST; i++)
		orders.digit[i] = 0;
	orders.at = 0;
}

/* Who comes next: behind the first steps by the seed, so that all else is as ever. */
unsigned sim_order(unsigned n)
{
	unsigned i = orders.at;

	if (!orders.on || n == 1 || i >= orders.depth)
		return n == 1 ? 0 : sim_choice(n);
	orders.of[i] = n;
	orders.at++;
	return orders.digit[i] < n ? orders.digit[i] : n - 1;
}

bool sim_orders_next(void)
{
	unsigned i = orders.at;

	orders.at = 0;
	while (i > 0) {
		i--;
		if (++orders.digit[i] < orders.of[i])
			return true;
		orders.digit[i] = 0;
	}
	return false;
}
