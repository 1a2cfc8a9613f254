/* The path of a takeover and what both sides do with it: shared by takeover.c (the
 * running generation) and takeover_join.c (the path; the program that starts);
 * nobody else includes this. */
#ifndef MO_GEN_JOIN_TAKEOVER_INTERNAL_H
#define MO_GEN_JOIN_TAKEOVER_INTERNAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "gen/join/takeover.h"

const char *mo_takeover_path(void); /* NULL: no takeover */
/* A listening socket that has taken the path, or -errno and a sentence. */
int mo_takeover_bind(const char *path, char **why);
/* Is the other side of our user or root?  *pid as the kernel tells; 0: not visible. */
bool mo_takeover_admits(int fd, pid_t *pid);

#endif
