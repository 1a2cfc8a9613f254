/* What others said, on the terminal; see print.h. */
#include "command/print.h"

#include <stdlib.h>

#include "base/str.h"

void mo_print_text(FILE *f, const char *s)
{
	while (*s) {
		size_t n = mo_str_visible(mo_str(s));

		if (n)
			fwrite(s, 1, n, f);
		else
			putc('?', f);
		s += n ? n : 1;
	}
}

void mo_print_json(const json_t *what, size_t flags)
{
	char *text = json_dumps(what, flags | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));

	for (const char *p = text ? text : "null"; *p; p++) {
		if (*p == 0x7f) /* jansson counts it to the visible ones */
			fputs("\\u007f", stdout);
		else
			putchar(*p);
	}
	putchar('\n');
	free(text);
}

void mo_print_line(const json_t *text, const char *other)
{
	mo_print_text(stdout, json_is_string(text) ? json_string_value(text) : other);
	putchar('\n');
}
