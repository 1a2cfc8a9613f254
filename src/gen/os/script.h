/* Scripts: which program the kernel starts for one. */
#ifndef MO_GEN_OS_SCRIPT_H
#define MO_GEN_OS_SCRIPT_H

#define MO_SCRIPT_LEVELS 5 /* an interpreter may be a script itself; as Linux has it */

/* The program of the line "#!" at the beginning of fd; malloc'd; NULL: no script. */
char *mo_script_interpreter(int fd);

/* Is each interpreter of the script there: a regular file that we may execute and not
 * everybody may write?  fd: of the script.  *why: malloc'd.  -ENOEXEC, -EACCES. */
int mo_script_check(const char *path, int fd, char **why);

#endif
