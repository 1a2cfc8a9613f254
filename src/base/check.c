/* The end of a process whose invariant broke; see check.h. */
#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/outlet.h"

noreturn void mo_die(const char *file, int line, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n, m;

	n = snprintf(text, sizeof(text), "%d: [FATAL] %s:%d: ", (int)getpid(), file, line);
	va_start(ap, fmt);
	m = vsnprintf(text + n, sizeof(text) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	n = n + m < (int)sizeof(text) - 1 ? n + m : (int)sizeof(text) - 2;
	text[n++] = '\n';
	mo_outlets_flush(MO_LAST_LINES, MO_LAST_LINES_STILL);
	mo_outlet_last_words(STDERR_FILENO, text, (size_t)n);
	abort();
}
