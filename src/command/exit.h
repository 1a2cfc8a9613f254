/* How the molt command ends.
 *
 *   exit code  means
 *   0          done, or already so
 *   1          refused or failed: what ran before runs on; the reason is on
 *              standard error
 *   2          the command line is wrong
 *   3          nobody answers at the control socket, or the answer broke off:
 *              whether the command was carried out is not known
 *   4          this user may not use the control socket
 *   5          restart --wait: the new program served, and was taken back */
#ifndef MO_COMMAND_EXIT_H
#define MO_COMMAND_EXIT_H

enum {
	MO_EXIT_DONE,
	MO_EXIT_FAILED,
	MO_EXIT_USAGE,
	MO_EXIT_UNREACHABLE,
	MO_EXIT_DENIED,
	MO_EXIT_TAKEN_BACK
};

#endif
