/* Lays out the first frame of a new stack as mo_ctx_switch() will pop it; the
 * rest is in co_switch_*.S.  Runs at each start of a coroutine. */
#include "rt/ctx.h"

#include <stdint.h>
#include <string.h>

void mo_ctx_entry(void);

#if defined(__x86_64__)

/* From low to high addresses, the order of the pops. */
struct frame {
	uint32_t mxcsr, x87;
	uint64_t r15, r14, r13, r12, rbx, rbp;
	uint64_t rip;
	uint64_t end[2]; /* 0: a debugger that follows frames stops here */
};
_Static_assert(offsetof(struct frame, end) % 16 == 0, "rsp is a multiple of 16 at the entry");

#define MXCSR_AT_START 0x1f80u /* round to nearest, all exceptions masked */
#define X87_AT_START 0x037fu   /* the same, 64 bits of mantissa */

static void fill(struct frame *f, void (*entry)(void *), void *arg)
{
	f->mxcsr = MXCSR_AT_START;
	f->x87 = X87_AT_START;
	f->r12 = (uint64_t)(uintptr_t)entry;
	f->r13 = (uint64_t)(uintptr_t)arg;
	f->rip = (uint64_t)(uintptr_t)mo_ctx_entry;
}

#elif defined(__aarch64__)

struct frame {
	uint64_t x19_to_x28[10];
	uint64_t x29, x30;
	uint64_t d8_to_d15[8];
	uint64_t fpcr, pad;
};
_Static_assert(sizeof(struct frame) == 176, "the FRAME of co_switch_aarch64.S");

static void fill(struct frame *f, void (*entry)(void *), void *arg)
{
	f->x19_to_x28[0] = (uint64_t)(uintptr_t)entry;
	f->x19_to_x28[1] = (uint64_t)(uintptr_t)arg;
	f->x30 = (uint64_t)(uintptr_t)mo_ctx_entry;
}

#else
#error "no switch for this machine: meson should have chosen co_ucontext.c"
#endif

void mo_ctx_make(mo_ctx *c, char *low, size_t size, void (*entry)(void *), void *arg)
{
	uintptr_t top = ((uintptr_t)low + size) & ~(uintptr_t)15;
	struct frame *f = (struct frame *)(top - sizeof(*f));

	memset(f, 0, sizeof(*f));
	fill(f, entry, arg);
	c->sp = f;
}
