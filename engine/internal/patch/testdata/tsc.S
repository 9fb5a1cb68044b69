// A program without symbols or call frame information: rdtsc in code, and the
// same bytes as constants in the text.
	.text
	.globl _start
_start:
	mov %rsp, %rbp
	and $-16, %rsp
	call work
	mov %eax, %edi
	xor %edi, %edi
	mov $60, %eax
	syscall
	.p2align 4
table:
	.quad 0x310f310f310f310f, 0x123456789abc310f, 0xfff90f01deadbeef
	.byte 1, 2, 3, 0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x21, 0x90
	.fill 64, 1, 0x90
	.byte 0xb8, 0x0f, 0x31, 0, 0
	.fill 64, 1, 0x90
	.p2align 4
work:
	push %rbx
	mov %rdi, %rbx
	add $3, %rbx
	xor %ecx, %ecx
	mov %rbx, 8(%rsp)
	lea 1(%rbx), %rsi
	imul $77, %rsi, %rsi
	mov table(%rip), %r8
	add %r8, %rsi
	test %rsi, %rsi
	mov %rsi, %r9
	.globl thetsc
thetsc:
	rdtsc
	shl $32, %rdx
	or %rdx, %rax
	add %rsi, %rax
	mov %rax, %rbx
	mov %rbx, %rdx
	mov $0x310f, %ecx
	lea 0x310f(%rax), %rax
	add $0x310f, %rax
	pop %rbx
	ret
	.fill 64, 1, 0x90
	.section .note.GNU-stack,"",@progbits
