/* The switch for aarch64, AAPCS64; see ctx.h.
 *
 * What a call keeps is stored on the old stack: x19 to x30, d8 to d15, and the
 * floating point control register, which is loaded only when it differs.
 * mo_ctx_make() in co_asm.c lays out the same frame. */
#define FRAME 176
	.text
	.globl	mo_ctx_switch
	.hidden	mo_ctx_switch
	.type	mo_ctx_switch, %function
	.p2align 4
mo_ctx_switch:
	.cfi_startproc
	hint	#34			/* bti c */
	sub	sp, sp, #FRAME
	.cfi_adjust_cfa_offset FRAME
	stp	x19, x20, [sp, #0]
	stp	x21, x22, [sp, #16]
	stp	x23, x24, [sp, #32]
	stp	x25, x26, [sp, #48]
	stp	x27, x28, [sp, #64]
	stp	x29, x30, [sp, #80]
	.cfi_rel_offset x29, 80
	.cfi_rel_offset x30, 88
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	mrs	x9, fpcr
	str	x9, [sp, #160]
	mov	x10, sp
	str	x10, [x0]
	/* From here the frame is one of the same shape on the other stack. */
	ldr	x10, [x1]
	mov	sp, x10
	ldr	x10, [sp, #160]
	cmp	x9, x10
	b.eq	1f
	msr	fpcr, x10
1:
	ldp	d14, d15, [sp, #144]
	ldp	d12, d13, [sp, #128]
	ldp	d10, d11, [sp, #112]
	ldp	d8, d9, [sp, #96]
	ldp	x29, x30, [sp, #80]
	.cfi_restore x29
	.cfi_restore x30
	ldp	x27, x28, [sp, #64]
	ldp	x25, x26, [sp, #48]
	ldp	x23, x24, [sp, #32]
	ldp	x21, x22, [sp, #16]
	ldp	x19, x20, [sp, #0]
	add	sp, sp, #FRAME
	.cfi_adjust_cfa_offset -FRAME
	ret
	.cfi_endproc
	.size	mo_ctx_switch, . - mo_ctx_switch

/* The first thing on a new stack: calls x19(x20), which mo_ctx_make() left in
 * the first frame.  Nothing called it, so a backtrace ends here. */
	.globl	mo_ctx_entry
	.hidden	mo_ctx_entry
	.type	mo_ctx_entry, %function
	.p2align 4
mo_ctx_entry:
	.cfi_startproc
	.cfi_undefined x30
	hint	#34			/* bti c */
	mov	x0, x20
	blr	x19
	brk	#1
	.cfi_endproc
	.size	mo_ctx_entry, . - mo_ctx_entry

	.section .note.GNU-stack, "", %progbits
	.section .note.gnu.property, "a"
	.p2align 3
	.long	4, 16, 5		/* sizes of name and data, NT_GNU_PROPERTY_TYPE_0 */
	.asciz	"GNU"
	.long	0xc0000000, 4, 1, 0	/* AARCH64_FEATURE_1_AND: BTI */
