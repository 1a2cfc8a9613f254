/* The small process above the generations, with the pid that the world sees: it
 * starts the program, passes signals on, reaps, holds a duplicate of every
 * listener, and starts the program again when it crashes.  It knows nothing of
 * requests, runs no thread and no event loop library, and reads only from
 * processes that the kernel vouches for.
 *
 *   state     event                                       -> next
 *   STARTING  "ready"                                     -> commit is sent
 *   STARTING  a process says "serving"                    -> SERVING
 *   STARTING  it ended, and none has ever served          -> ENDED, with its status
 *   STARTING  the same, by a signal, when it had begun    -> WAITING
 *             to open its listeners ("opening")
 *   STARTING  it ended                                    -> WAITING
 *   STARTING  "claim", before "ready"                     -> SERVING, by that one
 *   SERVING   another process says "serving"              -> SERVING, that one
 *   SERVING   it ended after "stopping", or with status 0 -> STOPPING
 *   SERVING   it ended when others had taken over         -> STOPPING
 *   SERVING   it ended in another way                     -> WAITING
 *   WAITING   100 ms; doubled each time, at most 10 s     -> STARTING
 *   WAITING   a generation that lives says "claim"        -> SERVING, by that one: "granted"
 *   WAITING   a generation that lives says "serving"      -> SERVING
 *   WAITING   a successor has said "starting": it is      -> SERVING, or STARTING
 *             given 60 s, then killed
 *   any       TERM, INT, QUIT, HUP                        -> STOPPING, passed on
 *   STOPPING  the same again                              -> everybody is killed
 *   STOPPING  the last generation ended                   -> ENDED
 *
 * A generation whose successor has died asks before it serves again ("claim"), because here
 * another program may have been started: it is refused while another one serves or has been
 * told to.
 *
 * USR1 and USR2 go to the serving generation, whose business a restart is; while there
 * is none they wait for the next.
 *
 * Always: from the first "serving" to the shutdown the listeners are open here,
 * so that a connection waits in the queue while nobody accepts.  The program that
 * is started after a crash is the file that served, whatever is at its path now. */
#ifndef MO_SUPERVISOR_H
#define MO_SUPERVISOR_H

/* A program that defines it is no program to be supervised, also not as pid 1. */
extern const char mo_supervises_itself __attribute__((weak));

/* Starts the program at path (absolute) with the arguments, environment and
 * directory of mo_origin_get(), and returns the status to end with.  control_socket
 * may be NULL.  Only in a process without threads. */
int mo_supervise(const char *path, const char *control_socket);

/* Goes on where another image of this process stopped; its state is in place. */
int mo_supervise_on(void);

#endif
