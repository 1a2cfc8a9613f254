/* The supervisor goes on in a new image of its program: exec in place, so that pid,
 * children, listeners and the link to the generations stay.
 *
 *   step    in                 what
 *   asked   the old image      "upgrade" from a generation, with a socket for the answer;
 *                              only while a generation serves, one at a time
 *   trial   a child from the   it is given the state, and says whether it understands
 *           new file           it: a file that does not start here is found out now
 *   exec    the old image      the state in a sealed memfd; the descriptors in it without
 *                              CLOEXEC for this exec only
 *   go on   the new image,     the state is read, "upgraded" is said
 *           before main()
 *
 * The new image is what is at the path of the molt command now; for a program that is
 * pid 1 and supervises itself, what is at the path of the generation that serves.
 * The very file that was tried is executed.
 *
 * Always: whatever fails before the exec, and the exec itself, changes nothing, and
 * who asked is told. */
#ifndef MO_UPGRADE_H
#define MO_UPGRADE_H

#include "gen/wire/wire.h"

#define MO_UPGRADE_ENV "MOLT_UPGRADE" /* "try", or the descriptor of the state */

/* Of the supervisor's loop. */
void mo_upgrade_asked(mo_wire_msg *m);
int mo_upgrade_fd(void);             /* to be watched; -1: none */
molt_time mo_upgrade_deadline(void); /* of the trial; 0: none */
void mo_upgrade_look(void);          /* each turn; does not return when it has gone on */

/* Before main(), when MO_UPGRADE_ENV is there: returns the status to end with.
 * handover_fd: of the trial, or -1. */
int mo_upgrade_begin(const char *text, int handover_fd);

#endif
