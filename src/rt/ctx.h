/* The bare switch between two stacks: no states, no checks; co.c has those.
 *
 * Two ways, chosen by meson: own assembly (co_switch_*.S and co_asm.c), which
 * saves what the ABI says a call keeps, or ucontext (co_ucontext.c), which also
 * saves the signal mask and costs two system calls. */
#ifndef MO_RT_CTX_H
#define MO_RT_CTX_H

#include <stddef.h>

#if !MO_CO_UCONTEXT && defined(__x86_64__)
#define MO_CTX_BY_JUMP 1
#else
#define MO_CTX_BY_JUMP 0
#endif

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
#if MO_CTX_BY_JUMP
/* As a call does it, but by a jump: a call that nobody returns from would leave the
 * processor's memory of return addresses one off, and the returns of all who stand
 * above would be predicted wrongly.  128: the red zone, which is the compiler's. */
static inline void mo_ctx_switch(mo_ctx *from, mo_ctx *to)
{
	__asm__ volatile("leaq -128(%%rsp), %%rsp\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "jmp mo_ctx_jump\n"
			 "1:\n\t"
			 "leaq 128(%%rsp), %%rsp"
			 : "+D"(from), "+S"(to)
			 :
			 : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "cc", "memory", "xmm0",
			   "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
			   "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)",
			   "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)"
#ifdef __AVX512F__
			   ,
			   "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23",
			   "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31",
			   "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#endif
	);
}
#else
void mo_ctx_switch(mo_ctx *from, mo_ctx *to);
#endif

#endif
