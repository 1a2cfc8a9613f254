/* The switch for x86-64, System V ABI; see ctx.h, which jumps here with the address
 * to go on at on the stack, as after a call.
 *
 * What a call keeps is pushed on the old stack: rbp, rbx, r12 to r15, and the
 * control words of SSE and x87 (rounding and masks belong to the coroutine).
 * The control words are loaded only when they differ: fldcw is slow.
 *
 * The way back is a jump as well, not a return: the processor would predict a return
 * to the caller on the old stack, wrongly each time (45 ns a round trip, not 13).
 *
 * Under indirect branch tracking endbr64 and notrack make the code legal, which
 * the property note at the end says.  The note does not claim shadow stacks:
 * the loader then leaves them off for the program. */
	.text
	.globl	mo_ctx_jump
	.hidden	mo_ctx_jump
	.type	mo_ctx_jump, @function
	.p2align 4
mo_ctx_jump:
	.cfi_startproc
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movl	(%rsp), %eax
	movzwl	4(%rsp), %ecx
	movq	%rsp, (%rdi)
	/* From here the frame is one of the same shape on the other stack. */
	movq	(%rsi), %rsp
	cmpl	(%rsp), %eax
	je	1f
	ldmxcsr	(%rsp)
1:
	cmpw	4(%rsp), %cx
	je	2f
	fldcw	4(%rsp)
2:
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	popq	%rdx
	.cfi_adjust_cfa_offset -8
	.cfi_register rip, rdx
	notrack jmp *%rdx
	.cfi_endproc
	.size	mo_ctx_jump, . - mo_ctx_jump

/* The first thing on a new stack: goes on in r12(r13), which mo_ctx_make() left in
 * the first frame.  Nothing called it and it calls nothing, as far as the processor's
 * memory of return addresses goes; a backtrace ends here. */
	.globl	mo_ctx_entry
	.hidden	mo_ctx_entry
	.type	mo_ctx_entry, @function
	.p2align 4
mo_ctx_entry:
	.cfi_startproc
	.cfi_undefined rip
	endbr64
	movq	%r13, %rdi
	pushq	$0		/* where it would return to */
	.cfi_adjust_cfa_offset 8
	notrack jmp *%r12
	.cfi_endproc
	.size	mo_ctx_entry, . - mo_ctx_entry

	.section .note.GNU-stack, "", @progbits
	.section .note.gnu.property, "a"
	.p2align 3
	.long	4, 16, 5		/* sizes of name and data, NT_GNU_PROPERTY_TYPE_0 */
	.asciz	"GNU"
	.long	0xc0000002, 4, 1, 0	/* X86_FEATURE_1_AND: IBT */
