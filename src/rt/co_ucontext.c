/* The switch by ucontext, for machines without assembly of ours and for
 * comparing; see ctx.h. */
#include "rt/ctx.h"

#include <stdint.h>

#include "base/check.h"

/* makecontext() passes ints only: the pointers come in halves. */
static void trampoline(unsigned entry_high, unsigned entry_low, unsigned arg_high, unsigned arg_low)
{
	uint64_t entry = (uint64_t)entry_high << 32 | entry_low;
	uint64_t arg = (uint64_t)arg_high << 32 | arg_low;

	((void (*)(void *))(uintptr_t)entry)((void *)(uintptr_t)arg);
	MO_DIE("a coroutine's entry returned");
}

void mo_ctx_make(mo_ctx *c, char *low, size_t size, void (*entry)(void *), void *arg)
{
	uint64_t e = (uint64_t)(uintptr_t)entry, a = (uint64_t)(uintptr_t)arg;

	MO_CHECK(getcontext(&c->uc) == 0);
	c->uc.uc_stack.ss_sp = low;
	c->uc.uc_stack.ss_size = size;
	c->uc.uc_link = NULL;
	makecontext(&c->uc, (void (*)(void))trampoline, 4, (unsigned)(e >> 32), (unsigned)e,
		    (unsigned)(a >> 32), (unsigned)a);
}

void mo_ctx_switch(mo_ctx *from, mo_ctx *to)
{
	MO_CHECK(swapcontext(&from->uc, &to->uc) == 0);
}
