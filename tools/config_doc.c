/* Writes doc/configuration.md from the table of keys:
 *   config_doc           to standard output
 *   config_doc FILE      compares instead: 1 and a hint when FILE is another text
 * The build runs the second form as a test. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "config/config_keys.h"

static const char intro[] =
	"# Configuration\n"
	"\n"
	"This file is made by `tools/config_doc.c` from the table in `src/config/config_keys.def`.\n"
	"\n"
	"A program reads a YAML file with `molt_config_load(\"app.yaml\")`:\n"
	"\n"
	"```yaml\n"
	"server:\n"
	"  graceful: true          # for every server\n"
	"  address: \":80\"          # the default server's\n"
	"  s1:                     # molt_server_get(\"s1\")\n"
	"    address: \":8100,:8200\"\n"
	"  s2:\n"
	"    address: [\":8300\", \":8400\"]\n"
	"    idleTimeout: 10s\n"
	"logger:\n"
	"  level: info\n"
	"app:                      # yours: molt_config_str(\"app.title\", \"\")\n"
	"  title: Hello\n"
	"```\n"
	"\n"
	"- A mapping below `server` is a server of that name. It takes over the keys that stand\n"
	"  right below `server`, except `address`, `httpsAddr`, `httpsCertPath`, `httpsKeyPath`\n"
	"  and `logLevel`.\n"
	"- Keys are the same in upper and lower case; `-`, `_` and spaces in them do not count.\n"
	"- What the program sets wins over the file, the environment wins over both:\n"
	"  `MOLT_SERVER_<KEY>`, for a named server also `MOLT_SERVER_<NAME>_<KEY>` (which wins; a\n"
	"  `-` of the name is written `_`), and `MOLT_LOGGER_<KEY>`. For example\n"
	"  `MOLT_SERVER_ADDRESS=127.0.0.1:9001`, `MOLT_SERVER_S1_ADDRESS=\":9001,:9002\"`.\n"
	"  `MOLT_SERVER_ADDRESS` and the other keys that are not taken over mean the default\n"
	"  server alone.\n"
	"- Every mistake of a file is logged with its line: unknown keys (with the key that was\n"
	"  probably meant), wrong types, values out of range, keys that stand twice, and keys of\n"
	"  GoFrame that Molt does not have. `molt_config_load()` then returns `-EINVAL` and\n"
	"  `molt_server_start()` refuses, also for a file that is not there; so a new generation\n"
	"  with a bad file never replaces a good one.\n"
	"- A file has at most 1 MiB, one document and 32 levels; YAML aliases are refused.\n"
	"- Other sections than `server` and `logger` belong to the program:\n"
	"  `molt_config_str(\"app.list.0\", \"\")`, `molt_config_int(\"app.port\", 8080)`. There\n"
	"  keys are compared as they are. One that is called almost like ours (`servers`) gives a\n"
	"  warning when ours is not there.\n"
	"\n"
	"Types: a **list** is one text with commas (`exeDirs`: colons) or a YAML list. A **size** "
	"is\n"
	"a number of bytes or has a unit: `64k`, `10m`, `1g` (1k = 1024). A **duration** has a "
	"unit,\n"
	"`500ms`, `60s`, `1h30m`, `7d`, or is `none` for no limit; `0` means the same except "
	"where\n"
	"the least value says otherwise. A **mode** has octal digits, `0660`. A **bool** is "
	"`true` or `false` (also yes/no, on/off, 1/0).\n"
	"An empty text means \"not set\".\n"
	"\n"
	"**In the program**: the member of `molt_server_opts` that says the same; one that begins with\n"
	"`no_` says the contrary.\n";

static const char *type_name(const mo_key *k)
{
	static const char *const names[] = { "text", "list",     "bool",  "number",
					     "size", "duration", "level", "mode" };

	return names[k->type];
}

static void put_range(mo_buf *b, const mo_key *k)
{
	char *min, *max;

	if (k->type != MO_KEY_INT && k->type != MO_KEY_SIZE && k->type != MO_KEY_DURATION &&
	    k->type != MO_KEY_MODE)
		return;
	min = mo_value_text(k->type, k->min);
	max = mo_value_text(k->type, k->max);
	mo_buf_fmt(b, ", %s to %s%s", min, max,
		   k->flags & MO_KEY_ZERO_NONE  ? ", 0 or none"
		   : k->type == MO_KEY_DURATION ? " or none"
						: "");
	free(min);
	free(max);
}

static const char *join_sentence(const mo_key *k)
{
	if (k->join == MO_JOIN_NONE)
		return "";
	if (k->type == MO_KEY_BOOL)
		return " One server that switches it off does so for the process.";
	if (k->join == MO_JOIN_LEAST)
		return " Of several servers the least counts.";
	return " Of several servers the longest counts.";
}

static void put_option(mo_buf *b, const mo_key *k)
{
	if (k->option)
		mo_buf_fmt(b, " | `%s`", k->option);
	else
		mo_buf_puts(b, " |");
}

static void put_section(mo_buf *b, enum mo_key_section section)
{
	size_t count;
	const mo_key *keys = mo_keys(&count);

	mo_buf_puts(b, "\n| key | type, range | default | in the program | meaning |\n"
		       "|---|---|---|---|---|\n");
	for (size_t i = 0; i < count; i++) {
		const mo_key *k = &keys[i];

		if (k->section != section)
			continue;
		mo_buf_fmt(b, "| `%s` | %s", k->name, type_name(k));
		put_range(b, k);
		if (k->initial)
			mo_buf_fmt(b, " | `%s`", k->initial);
		else
			mo_buf_puts(b, " | none");
		put_option(b, k);
		mo_buf_fmt(b, " | %s%s |\n", k->doc, join_sentence(k));
	}
}

static int compare(const mo_buf *wanted, const char *path)
{
	FILE *f = fopen(path, "r");
	mo_buf b = { 0 };
	size_t n = 1;
	int same;

	if (!f) {
		perror(path);
		return 1;
	}
	while (n) {
		mo_buf_reserve(&b, 4096);
		n = fread(b.data + b.len, 1, 4096, f);
		b.len += n;
	}
	fclose(f);
	same = b.len == wanted->len && !memcmp(b.data, wanted->data, b.len);
	mo_buf_free(&b);
	if (!same)
		fprintf(stderr, "%s is out of date; run: config_doc > %s\n", path, path);
	return !same;
}

int main(int argc, char **argv)
{
	mo_buf b = { 0 };
	int failed = 0;

	mo_buf_puts(&b, intro);
	mo_buf_puts(&b, "\n## Section `server`\n");
	put_section(&b, MO_KEY_SERVER);
	mo_buf_puts(&b, "\n## Section `logger`\n");
	put_section(&b, MO_KEY_LOGGER);
	if (argc > 1)
		failed = compare(&b, argv[1]);
	else
		fwrite(b.data, 1, b.len, stdout);
	mo_buf_free(&b);
	return failed;
}
