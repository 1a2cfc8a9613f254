/* Tells a coroutine's stack overflow from other crashes.
 *
 * A fault inside the guard below the running coroutine's stack is reported with
 * the coroutine's name and the advice to raise stack_size; then the process
 * dies of the signal as it would have.  Every other fault goes to the handler
 * that was there before. */
#ifndef MO_RT_OVERFLOW_H
#define MO_RT_OVERFLOW_H

void mo_overflow_install(void); /* once for the process; more calls do nothing */

/* The handler needs a stack of its own: a thread that runs coroutines calls
 * enter() first and leave() last.  A thread that has one already keeps it. */
void *mo_overflow_enter(void);
void mo_overflow_leave(void *entered);

#endif
