/* What the files of an image have in common: a program with a server, on simulated loops. */
#ifndef SIM_IMAGE_H
#define SIM_IMAGE_H

#include "gen/gen.h"
#include "sim.h"

/* os.c */
void sim_origin_begin(void);
int sim_listener_bind(int address, mo_listener **out); /* -EADDRINUSE */
void sim_on_signal(int number);

/* serving.c: connections, as src/http and src/web have them. */
void sim_serving_begin(int loops);
/* Runs fn(loop, arg) on each loop; false: not all in time.  On any thread of ours. */
bool sim_on_loops(void (*fn)(int loop, void *arg), void *arg, molt_time timeout,
		  bool (*go_on)(void *arg), void *go_on_arg);
void sim_serving_accept(int loop, bool on);
void sim_serving_closing(enum mo_gen_closing which);
enum mo_gen_closing sim_serving_is_closing(void);
mo_gen_load sim_serving_load(void);
void sim_serving_close_idle(int loop);
unsigned sim_serving_cut(int loop);
mo_gen_batch *sim_serving_give(bool (*go_on)(void *arg), void *arg);
void sim_serving_gave(mo_gen_batch *b);
void sim_serving_prepare(mo_gen_conn *c, size_t n, bool *keep);
void sim_serving_take(const mo_gen_conn *c);
void sim_serving_discard(const mo_gen_conn *c);
void sim_serving_stop(void);
mo_rate sim_serving_answered(void);

/* program.c: what serving.c asks. */
int sim_program_listener(int which); /* a descriptor; -1: none */
sim_process *sim_serving_self(void); /* this process; also while the scheduler looks */
bool sim_program_may_take(void);

#endif
