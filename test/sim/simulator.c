/* The command: schedules of the restart, one after the other, each from a number.
 *
 *   simulator IMAGE [--seed N] [--count N] [--seconds N] [--orders DEPTH] [--tell] [--find]
 *
 *   --seed     the first schedule's number (1)
 *   --count    so many schedules (1, or without end where --seconds is given)
 *   --seconds  no longer than this
 *   --orders   of one story each order of the first DEPTH steps, in place of drawn ones
 *   --tell     what happens in a schedule, line by line
 *   --find     good is a failure: 0 when one was found (a mend is taken out of IMAGE)
 *
 * The first schedule that fails is told, run again with all that happens in it, and ends the
 * command with 1. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim.h"

#define STORY_LIMIT (100 * MOLT_SECOND) /* of virtual time, from the last act on */
#define END_LIMIT (100 * MOLT_SECOND)
#define MOST_STEPS 200000ul

bool sim_tells;

static struct {
	const char *image;
	unsigned long seed, count, seconds, depth;
	bool tell, find;
} args = { .seed = 1 };

void sim_tell(const char *fmt, ...)
{
	va_list ap;

	if (!sim_tells)
		return;
	printf("%9.3f ", sim_fine_clock());
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void sim_report(const char *text)
{
	printf("%s: %s\n", sim_tells ? "VIOLATED" : "violated", text);
}

/* ---- one schedule ------------------------------------------------------------------------ */

static void reset(unsigned long seed)
{
	sim_memory_reset();
	sim_choice_seed(seed);
	sim_processes_reset();
	sim_sched_begin();
	sim_check_reset();
	sim_story_begin();
}

static bool go_on(molt_time limit)
{
	return !sim_failed && sim_steps < MOST_STEPS && sim_step(limit);
}

static bool is_over(void)
{
	return sim_story_is_over() && sim_check_is_settled();
}

static void run(unsigned long seed)
{
	molt_time limit;

	reset(seed);
	while (!is_over() && go_on(sim_clock + STORY_LIMIT))
		if (sim_clock > 10 * STORY_LIMIT)
			break;
	if (sim_failed)
		return;
	if (!is_over()) {
		sim_check_not_settled();
		return;
	}
	sim_check_settled();
	if (sim_failed || sim_check_is_ended())
		return;
	sim_story_shut_down();
	limit = sim_clock + END_LIMIT;
	while (!sim_check_is_ended() && go_on(limit))
		continue;
	if (!sim_failed && !sim_check_is_ended())
		sim_check_not_ended();
}

/* ---- many ---------------------------------------------------------------------------------- */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static unsigned long all_steps;

static bool fails(unsigned long seed)
{
	run(seed);
	all_steps += sim_steps;
	return sim_failed;
}

static int tell_failure(unsigned long seed)
{
	printf("schedule %lu fails; it is told here, and again by: simulator IMAGE --seed %lu "
	       "--tell\n",
	       seed, seed);
	if (args.find)
		return 0;
	sim_tells = true;
	if (!args.depth)
		run(seed);
	return 1;
}

static bool another(unsigned long *seed)
{
	if (args.depth)
		return sim_orders_next();
	++*seed;
	return true;
}

static int walk(void)
{
	unsigned long seed = args.seed, n = 0;
	double begun = now();

	if (args.depth)
		sim_orders_begin((unsigned)args.depth);
	sim_tells = args.tell;
	for (;;) {
		if (fails(seed))
			return tell_failure(seed);
		n++;
		if (!another(&seed) || (args.count && n == args.count) ||
		    (args.seconds && now() - begun >= (double)args.seconds))
			break;
	}
	printf("%lu schedules from %lu on, %lu steps, %.1f s of a processor (%.0f a minute): "
	       "all good\n",
	       n, args.seed, all_steps, now() - begun, (double)n / (now() - begun) * 60);
	return args.find;
}

/* ---- arguments --------------------------------------------------------------------------- */

static unsigned long number(const char *text)
{
	char *end;
	unsigned long n = text ? strtoul(text, &end, 10) : 0;

	if (!text || *end != '\0') {
		fprintf(stderr, "simulator: a number is missing\n");
		exit(2);
	}
	return n;
}

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--seed") == 0)
			args.seed = number(argv[++i]);
		else if (strcmp(argv[i], "--count") == 0)
			args.count = number(argv[++i]);
		else if (strcmp(argv[i], "--seconds") == 0)
			args.seconds = number(argv[++i]);
		else if (strcmp(argv[i], "--orders") == 0)
			args.depth = number(argv[++i]);
		else if (strcmp(argv[i], "--tell") == 0)
			args.tell = true;
		else if (strcmp(argv[i], "--find") == 0)
			args.find = true;
		else
			args.image = argv[i];
	}
	if (!args.image) {
		fprintf(stderr, "usage: simulator IMAGE [--seed N] [--count N] [--seconds N] "
				"[--orders DEPTH] [--tell] [--find]\n");
		exit(2);
	}
	if (!args.count && !args.seconds && !args.depth)
		args.count = 1;
}

static void *allocate(size_t n)
{
	return malloc(n);
}

static void release(void *p)
{
	free(p);
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	sim_memory_begin();
	json_set_alloc_funcs(allocate, release);
	json_object_seed(1);
	sim_images_begin(args.image);
	return walk();
}
