/* The world of the restart's simulator: processes, descriptors, sockets, threads and a
 * clock, all inside one real process, moved by one scheduler that draws every choice from
 * one seed.  The code of src/gen and src/supervisor runs in it unchanged: the very object
 * files of the library are linked to image.so, whose copies are the simulated processes
 * (process.c); what those objects want of the system is here.
 *
 *   file          what it stands for
 *   memory.c      malloc() and free(): one arena, emptied behind each schedule
 *   choice.c      the seed, or one order after the other
 *   sched.c       threads, the virtual clock, the next step
 *   loop.c        rt: event loops, coroutines, parks, timers
 *   file.c        descriptors: what each kind does
 *   socket.c      SOCK_SEQPACKET pairs, the listening path of a takeover
 *   process.c     images, start, signals, kill, the end, wait
 *   system.c      the calls of the kernel and of libc, one by one
 *   client.c      clients and their connections
 *   story.c       what users do and what goes wrong in a schedule
 *   check.c       the invariants, looked at after each step and at the end
 *   simulator.c   the command
 *
 *   image/        linked into each simulated process: a program with a server
 *                 (program.c), its connections (serving.c), and what takes the place of
 *                 src/gen/os
 *
 * Always: nothing here reads the real clock, a real descriptor or a real random number
 * while a schedule runs, so that a seed says everything. */
#ifndef SIM_H
#define SIM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/list.h"
#include "molt.h"
#include "rt/ctx.h"

#define SIM_PROCESSES 40 /* of a schedule */
#define SIM_IMAGES 14    /* alive at once */
#define SIM_FDS 192
#define SIM_POINTS_FAR (1L << 40)

typedef struct sim_file sim_file;
typedef struct sim_process sim_process;
typedef struct sim_thread sim_thread;
typedef struct sim_task sim_task;
typedef struct sim_loop sim_loop;
typedef struct sim_conn sim_conn;

/* ---- memory.c ---- */

void sim_memory_begin(void); /* once */
void sim_memory_reset(void); /* behind a schedule: everything is free */
void *sim_alloc(size_t n);   /* zeroed */
/* Outlives schedules. */
void *sim_keep(size_t n);

/* ---- choice.c ---- */

void sim_choice_seed(uint64_t seed);
unsigned sim_choice(unsigned n); /* 0 to n - 1; n > 0 */
bool sim_chance(unsigned of);    /* once in so many times */
/* Orders: each sequence of the first depth choices between steps, one after the other. */
void sim_orders_begin(unsigned depth);
unsigned sim_order(unsigned n);
bool sim_orders_next(void); /* false: that was the last one */

/* ---- sched.c ---- */

struct sim_task {
	sim_task *next;
	mo_ctx ctx;
	char *low;
	sim_process *process; /* whose it is; NULL: spare */
	void (*fn)(void *arg);
	void *arg;
	bool done;
};

struct sim_thread {
	sim_thread *next;
	sim_process *process;
	sim_loop *loop; /* it runs an event loop; or NULL */
	sim_task *task; /* it goes on there; NULL: an idle loop */
	struct mo_co *co;
	/* It waits until ready(arg), or until then. */
	bool (*ready)(void *arg);
	void *arg;
	molt_time wake;
	molt_time blocked_until; /* a handler blocks it */
	molt_time blocked_since;
	bool ended;
};

extern sim_thread *sim_current; /* that runs now, or NULL: the scheduler */
extern molt_time sim_clock;     /* ms */
extern unsigned long sim_steps; /* of this schedule */
extern double sim_fine_clock(void);

void sim_sched_begin(void);
sim_thread *sim_thread_start(sim_process *p, void (*fn)(void *arg), void *arg);
/* In a simulated thread: until ready(arg) (NULL: never), or the deadline; false: that
 * has passed. */
bool sim_wait(bool (*ready)(void *arg), void *arg, molt_time deadline);
/* A place where the process can be killed, or lose its processor to others. */
void sim_point(void);
_Noreturn void sim_give_up_processor(void); /* for good */
/* One step of anybody.  false: nothing will ever happen any more by itself before LIMIT. */
bool sim_step(molt_time limit);
/* A loop's thread, which is idle: fn on a new stack, or a coroutine on its own; and away
 * from there, when a coroutine waits. */
void sim_run_on(sim_thread *t, void (*fn)(void *arg), void *arg);
void sim_go_on(sim_thread *t, sim_task *k, struct mo_co *co);
void sim_park(void);
sim_task *sim_task_new(sim_process *p, void (*fn)(void *arg), void *arg);
void sim_tasks_drop(const sim_process *p); /* NULL: all */

/* ---- loop.c ---- */

bool sim_loop_has_work(sim_loop *l);
molt_time sim_loop_wake(sim_loop *l); /* when it has work by the clock alone */
void sim_loop_turn(sim_thread *t);    /* one piece of it */
/* What an image's loops serve besides: how many pieces are ready, one of them, and when
 * the next is by the clock. */
typedef struct sim_serving {
	unsigned (*ready)(int loop);
	void (*serve)(int loop, unsigned which);
	molt_time (*wake)(int loop);
} sim_serving;
bool sim_loop_is_ended(const void *loop);

/* ---- file.c ---- */

enum sim_kind {
	SIM_CHANNEL,  /* an end of a SOCK_SEQPACKET pair */
	SIM_PATH,     /* an AF_UNIX socket that may listen at a path */
	SIM_LISTENER, /* of clients */
	SIM_CONN,
	SIM_PIDFD,
	SIM_PROGRAM,
	SIM_SIGNALS,
	SIM_OTHER
};

typedef struct sim_packet {
	struct sim_packet *next;
	size_t size;
	pid_t from;
	unsigned nfiles;
	sim_file *files[72];
	char bytes[];
} sim_packet;

struct sim_file {
	enum sim_kind kind;
	int refs;
	ino_t number;
	/* SIM_CHANNEL */
	sim_file *peer;
	sim_packet *first, *last;
	size_t queued;
	bool reset; /* the peer ended with unread words of ours: told once */
	bool shut;
	pid_t maker; /* as the kernel tells who is at the other end */
	/* SIM_PATH */
	bool listens;
	sim_file *waiting[16];
	unsigned nwaiting;
	sim_process *process; /* SIM_PIDFD, SIM_SIGNALS */
	int program;          /* SIM_PROGRAM: which */
	int address;          /* SIM_LISTENER: which */
	sim_conn *conn;       /* SIM_CONN */
};

sim_file *sim_file_new(enum sim_kind kind);
sim_file *sim_file_ref(sim_file *f);
void sim_file_unref(sim_file *f);
bool sim_file_readable(sim_file *f);
/* Owns a reference, also when there is no room: -EMFILE. */
int sim_fd_new(sim_process *p, sim_file *f);
sim_file *sim_fd(int fd); /* of the process that runs; NULL: EBADF */
sim_file *sim_fd_of(sim_process *p, int fd);
int sim_fd_close(sim_process *p, int fd);

/* ---- socket.c ---- */

void sim_channel_pair(sim_file *ends[2], pid_t maker);
bool sim_channel_readable(const sim_file *f);
void sim_channel_close(sim_file *f); /* the last reference has gone */
void sim_path_close(sim_file *f);
void sim_paths_reset(void);

/* ---- process.c ---- */

enum sim_state { SIM_RUNS, SIM_DYING, SIM_ZOMBIE, SIM_GONE };

/* What a program of the story does; see story.c. */
typedef struct sim_program {
	const char *path; /* "/p/good" */
	const char *build;
	bool supervises; /* it is molt run; its program is number `runs` */
	int runs;
	bool dies_early, never_ready, dies_ready, lacks_second, slow_start;
	bool errs; /* every answer is a 5xx */
} sim_program;

typedef struct sim_entry sim_entry;

struct sim_process {
	pid_t pid, parent;
	enum sim_state state;
	int status; /* as waitpid() gives it */
	const sim_program *program;
	int program_number;
	struct sim_image *image;
	const sim_entry *entry;
	sim_thread *threads;
	sim_file *fds[SIM_FDS];
	int lowest;                          /* free descriptor, or below it */
	int handover_fd;                     /* or -1 */
	bool supervised, subreaper, managed; /* ... it is told to the service manager */
	bool stopped;
	molt_time stopped_at;
	molt_time slow_until; /* its processor is elsewhere */
	uint64_t pending;     /* signals */
	bool takes_signals;   /* on its control loop */
	sim_loop *control;
	long points, dies_at, fails_at; /* places; see sim_point() */
	int fails_with;
	void (*observer)(const char *line);
	sim_serving serving;
	/* What the story and the checks know of it. */
	bool accepts, accepted; /* now; ever */
	int calls;              /* of users, that wait */
};

/* The functions of an image; image/program.c has the table. */
struct sim_entry {
	void (*main)(void);
	int (*restart)(const char *exe);
	int (*rollback)(const char *by);
	void (*publish)(void); /* one event */
	unsigned (*generation)(void);
	int (*state)(void);      /* enum mo_gen_state */
	void *(*receipts)(void); /* json_t, a new reference */
	void (*on_signal)(int number);
};

void sim_images_begin(const char *path);
void sim_processes_reset(void);
/* handover: a reference that is kept, or NULL.  NULL: there is no room for one more. */
sim_process *sim_process_start(int program, sim_process *parent, sim_file *handover,
			       bool supervised);
/* For images: a child with the program that fd stands for.  0 or -errno. */
int sim_spawn(int fd, int handover_fd, bool supervised, pid_t *pid);
int sim_program_open(const char *path); /* a descriptor, or -ENOENT */
/* A child's end: 1: reaped; 0: it runs; -ECHILD. */
int sim_process_reap(sim_process *p, int *status);
_Noreturn void sim_process_exit(int status); /* of the one that runs */
void sim_process_kill(sim_process *p);
void sim_process_signal(sim_process *p, int number);
void sim_process_dying_step(sim_process *p); /* one descriptor less, or its end */
sim_process *sim_process_find(pid_t pid);
sim_process *sim_self(void);
extern sim_process *sim_all[SIM_PROCESSES];
extern unsigned sim_count;

/* ---- client.c ---- */

/* A client's connection.  The client asks, waits for the answer, thinks, and asks again.
 *
 * Each answer uses up one record number, as TLS has it: who serves must know the next. */
struct sim_conn {
	sim_conn *next;
	int number, address;
	sim_file *file;                 /* NULL: not accepted, or closed everywhere */
	sim_process *serves;            /* in whose service it is; NULL: of nobody at the moment */
	sim_process *had;               /* who served last */
	unsigned asked, answered, left; /* requests; so many more will come */
	unsigned tries;                 /* to connect, in vain */
	unsigned records;               /* used up */
	unsigned unread;                /* requests in the socket */
	molt_time handler;              /* so long the present request runs */
	molt_time next_at;              /* the client acts again; INT64_MAX: it waits */
	bool waits;                     /* in a listener's queue */
	sim_conn *behind;               /* there */
	bool closing;                   /* whoever served it has closed it on purpose */
	bool ended;
};

void sim_clients_reset(void);
/* A new listener at that address; NULL: in use. */
sim_file *sim_listener_open(int address);
void sim_listener_ended(sim_file *f);
bool sim_listener_waits(const sim_file *f);
/* For images, on behalf of the process that runs. */
int sim_accept(int fd, sim_conn **out); /* -EAGAIN, -EMFILE */
sim_conn *sim_conn_of(int fd);
/* It is in our service from now on; back: we had given it, and it was not taken. */
void sim_conn_serve(sim_conn *c, const char *how, bool back);
void sim_conn_pause(sim_conn *c); /* ... is not any more */
void sim_conn_answer(sim_conn *c, unsigned record);
void sim_conn_close(sim_conn *c); /* on purpose; its descriptor follows */
void sim_conn_ended(sim_conn *c); /* its file is closed everywhere */
bool sim_clients_act(void);
molt_time sim_clients_wake(void);
bool sim_clients_are_done(void);
void sim_clients_tell(void);

/* ---- story.c ---- */

/* What the story is about, drawn at its beginning. */
typedef struct sim_setting {
	bool supervised, takeover; /* molt run; a takeover path */
	int addresses;             /* listeners, 1 or 2 */
	molt_time bake, drain;
} sim_setting;
extern sim_setting sim_setting_now;
extern const sim_program sim_programs[];

/* What has gone wrong on purpose. */
typedef struct sim_troubles {
	unsigned stops, slow, fails;
	unsigned deaths;      /* other than exit(0), of those that had served, and supervisors */
	unsigned supervisors; /* that have ended, or could not answer for a while */
	bool shutdown;
} sim_troubles;
extern sim_troubles sim_trouble;

void sim_story_begin(void);
bool sim_story_act(void); /* something that is due; false: nothing is */
molt_time sim_story_wake(void);
bool sim_story_is_over(void); /* and who was asked has answered */
void sim_story_shut_down(void);
bool sim_is_below_supervisor(const sim_process *p);
sim_process *sim_serving_process(void);          /* that accepts, or NULL */
void sim_story_ended_with(const sim_process *p); /* calls that nobody answers any more */
void sim_manager_hear(sim_process *from, const char *text, size_t n);

/* ---- check.c ---- */

/* The schedule has failed; the first reason counts. */
void sim_violation(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void sim_check_reset(void);
void sim_check_accepts(sim_process *p, bool on); /* p begins, or stops */
void sim_check_spawned(sim_process *parent, sim_process *child);
void sim_check_listener_ended(int address);
void sim_check_lost(const sim_conn *c, const char *how);
void sim_check_dropped(const sim_conn *c);
void sim_check_main(pid_t pid);
void sim_check_ready(const sim_process *p);
bool sim_check_is_settled(void);
void sim_check_settled(void); /* the story is over and everything has settled */
void sim_check_not_settled(void);
bool sim_check_is_ended(void);
void sim_check_not_ended(void);
extern bool sim_failed;

/* ---- simulator.c ---- */

extern bool sim_tells;             /* what happens is printed */
void sim_report(const char *text); /* of a violation */
void sim_tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
