/* The signals that mean a restart (USR1, USR2) or a shutdown (TERM, INT, QUIT, HUP),
 * taken by the control thread.  One that comes before waits blocked. */
#ifndef MO_GEN_SIGNALS_H
#define MO_GEN_SIGNALS_H

/* On the control thread; then posts done, a sem_t. */
void mo_signals_take(void *done);
void mo_signals_drop(void); /* on the control thread; after take */

#endif
