/* The bare switch between two stacks: no states, no checks; co.c has those.
 *
 * Two ways, chosen by meson: own assembly (co_switch_*.S and co_asm.c), which
 * saves what the ABI says a call keeps, or ucontext (co_ucontext.c), which also
 * saves the signal mask and costs two system calls. */
#ifndef MO_RT_CTX_H
#define MO_RT_CTX_H

#include <stddef.h>

#if MO_CO_UCONTEXT
#include <ucontext.h>
typedef struct mo_ctx {
	ucontext_t uc;
} mo_ctx;
#else
typedef struct mo_ctx {
	void *sp; /* everything else lies on the stack; first member: the assembly knows */
} mo_ctx;
#endif

/* A context that will call entry(arg) on the stack [low, low + size) when first
 * switched to.  entry never returns. */
void mo_ctx_make(mo_ctx *c, char *low, size_t size, void (*entry)(void *), void *arg);

/* Saves the present context in from and goes on with to. */
void mo_ctx_switch(mo_ctx *from, mo_ctx *to);

#endif
