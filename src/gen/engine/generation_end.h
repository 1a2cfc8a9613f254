/* The last part of a generation's life: what runs is finished, and it has ended. */
#ifndef MO_GEN_ENGINE_GENERATION_END_H
#define MO_GEN_ENGINE_GENERATION_END_H

/* A coroutine of the control loop: STOPPING, from its drain to the end. */
void mo_shutdown_run(void *unused);
/* ENDED: molt_wait() returns result. */
void mo_shutdown_end(int result);

#endif
