/* Small files that are read as a whole: those of /proc and /sys, whose length is not known
 * before they are read. */
#ifndef MO_RT_SMALL_FILE_H
#define MO_RT_SMALL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Reads a file into text[size], with a NUL behind it; the first size - 1 bytes of one that
 * is longer.  How many; negative errno, and text is "" then.  May block. [any] */
ssize_t mo_read_small(const char *path, char *text, size_t size);
/* The same of a file in a directory; true: there is something in it. */
bool mo_read_small_in(const char *dir, const char *name, char *text, size_t size);

/* What /proc says of a process: its state (R, S, T ...), and its process group unless pgrp is
 * NULL.  false: there is none. */
bool mo_process_state(pid_t pid, char *state, pid_t *pgrp);

#endif
