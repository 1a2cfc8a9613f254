/* Prints what came from a program: without control bytes, so that it cannot play with the
 * terminal. */
#ifndef MO_COMMAND_PRINT_H
#define MO_COMMAND_PRINT_H

#include <jansson.h>
#include <stdio.h>

void mo_print_text(FILE *f, const char *s);
/* To standard output, with a line end: JSON in ASCII, with flags of jansson; and a text, or
 * another when that is none. */
void mo_print_json(const json_t *what, size_t flags);
void mo_print_line(const json_t *text, const char *other);

#endif
