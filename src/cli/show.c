/* The state and the receipts as text for people.  What comes from the program
 * is printed without control bytes, so that it cannot play with the terminal. */
#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "cli/cli.h"
#include "molt.h"

static void put_duration(int64_t ms)
{
	int64_t s = ms / 1000;

	if (s >= 86400)
		printf("%" PRId64 " d %" PRId64 " h", s / 86400, s / 3600 % 24);
	else if (s >= 3600)
		printf("%" PRId64 " h %" PRId64 " min", s / 3600, s / 60 % 60);
	else if (s >= 60)
		printf("%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
	else
		printf("%" PRId64 " s", s);
}

/* ---- restarts -------------------------------------------------------------- */

static void show_receipt(const json_t *r)
{
	mo_print_text(stdout, mo_json_text_of(r, "started"));
	printf("  ");
	mo_print_text(stdout, mo_json_text_of(r, "outcome"));
	printf("  generation %" PRId64, mo_json_number_of(r, "generation"));
	if (mo_json_number_of(r, "successor_generation"))
		printf(" to %" PRId64, mo_json_number_of(r, "successor_generation"));
	if (*mo_json_text_of(r, "how")) {
		printf("  by ");
		mo_print_text(stdout, mo_json_text_of(r, "how"));
	}
	printf("  %" PRId64 " ms  ", mo_json_number_of(r, "ms"));
	mo_print_text(stdout, mo_json_text_of(r, "target"));
	putchar('\n');
	if (*mo_json_text_of(r, "reason")) {
		printf("    ");
		mo_print_text(stdout, mo_json_text_of(r, "reason"));
		putchar('\n');
	}
}

void mo_show_receipts(const json_t *receipts)
{
	const json_t *r;
	size_t i;

	if (json_array_size(receipts) == 0)
		printf("No restart yet.\n");
	json_array_foreach (receipts, i, r)
		show_receipt(r);
}

void mo_show_failure(const json_t *answer)
{
	const json_t *receipt = json_object_get(answer, "receipt"), *line;
	size_t i;

	fprintf(stderr, "molt: ");
	mo_print_text(stderr, *mo_json_text_of(answer, "reason") ? mo_json_text_of(answer, "reason")
								 : "it failed");
	putc('\n', stderr);
	json_array_foreach (json_object_get(receipt, "last_lines"), i, line) {
		fprintf(stderr, "    ");
		mo_print_text(stderr, json_is_string(line) ? json_string_value(line) : "");
		putc('\n', stderr);
	}
}

/* ---- the state --------------------------------------------------------------- */

static void show_server(const json_t *s)
{
	const json_t *l;
	size_t i;

	printf("server      ");
	mo_print_text(stdout, mo_json_text_of(s, "name"));
	printf(", ");
	mo_print_text(stdout, mo_json_text_of(s, "state"));
	json_array_foreach (json_object_get(s, "listeners"), i, l) {
		printf(", %s ", json_is_true(json_object_get(l, "https")) ? "https" : "http");
		mo_print_text(stdout, *mo_json_text_of(l, "bound") ? mo_json_text_of(l, "bound")
								   : mo_json_text_of(l, "address"));
		if (json_is_true(json_object_get(l, "lost")))
			printf(" (its file is gone: nobody can connect; a restart makes it again)");
	}
	printf(", %" PRId64 " connections, %" PRId64 " running of %" PRId64 " requests\n",
	       mo_json_number_of(s, "connections"), mo_json_number_of(s, "requests"),
	       mo_json_number_of(s, "total_requests"));
}

/* Shown only when a call has waited, which never happens in most programs. */
static void show_pool(const json_t *p)
{
	if (mo_json_number_of(p, "longest_wait_ms") == 0 && mo_json_number_of(p, "waiting") == 0 &&
	    mo_json_number_of(p, "refused") == 0)
		return;
	printf("blocking    %" PRId64 " of %" PRId64 " threads busy, %" PRId64
	       " calls wait, the oldest for %" PRId64 " ms; longest wait %" PRId64 " ms, %" PRId64
	       " refused\n",
	       mo_json_number_of(p, "busy"), mo_json_number_of(p, "limit"),
	       mo_json_number_of(p, "waiting"), mo_json_number_of(p, "oldest_wait_ms"),
	       mo_json_number_of(p, "longest_wait_ms"), mo_json_number_of(p, "refused"));
}

void mo_show_status(const json_t *status)
{
	const json_t *older = json_object_get(status, "older_generations"), *old, *s;
	const json_t *receipts = json_object_get(status, "receipts");
	const json_t *back = json_object_get(status, "rollback");
	size_t i;

	printf("state       ");
	mo_print_text(stdout, mo_json_text_of(status, "state"));
	printf(", generation %" PRId64 ", pid %" PRId64 ", up ",
	       mo_json_number_of(status, "generation"), mo_json_number_of(status, "pid"));
	put_duration(mo_json_number_of(status, "uptime_ms"));
	printf("\nprogram     ");
	mo_print_text(stdout, mo_json_text_of(status, "exe"));
	putchar('\n');
	if (mo_json_number_of(status, "supervisor_pid"))
		printf("supervisor  pid %" PRId64 "\n",
		       mo_json_number_of(status, "supervisor_pid"));
	json_array_foreach (older, i, old)
		printf("draining    generation %" PRId64 ", pid %" PRId64 "\n",
		       mo_json_number_of(old, "generation"), mo_json_number_of(old, "pid"));
	if (json_is_object(back)) {
		printf("rollback    to generation %" PRId64 ", ",
		       mo_json_number_of(back, "generation"));
		mo_print_text(stdout, mo_json_text_of(back, "exe"));
		if (*mo_json_text_of(back, "until")) {
			printf(", stands by until ");
			mo_print_text(stdout, mo_json_text_of(back, "until"));
		}
		putchar('\n');
	}
	json_array_foreach (json_object_get(status, "servers"), i, s)
		show_server(s);
	show_pool(json_object_get(status, "blocking"));
	if (json_array_size(receipts)) {
		printf("last        ");
		show_receipt(json_array_get(receipts, 0));
	}
}
