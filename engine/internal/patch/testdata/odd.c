// What compilers seldom emit and patches can break: indirect calls of every
// form, jump tables into the middle of short instructions, flags that live
// across blocks, loop and jrcxz, repeated string instructions both ways, the
// lock prefix that is jumped over, the red zone, faults in every place with a
// handler that looks at the interrupted state, vector code. All results go into
// one checksum, which is printed.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <immintrin.h>

static uint64_t sum = 1;
static void mix(uint64_t v) { sum = (sum ^ v) * 0x9e3779b97f4a7c15ull; sum ^= sum >> 29; }

#define FN(name) ".globl " #name "\n.type " #name ",@function\n" #name ":\n.cfi_startproc\n"
#define END(name) ".cfi_endproc\n.size " #name ",.-" #name "\n"

asm(".text\n"
FN(leaf1) "lea 3(%rdi),%rax\nret\n" END(leaf1)
FN(leaf2) "lea (%rdi,%rdi,2),%rax\nxor $5,%rax\nret\n" END(leaf2)

// calls(table): every form of indirect call, with what follows them.
FN(calls)
"push %rbx\npush %r12\npush %rbp\nmov %rdi,%rbx\nmov %rdi,%r12\nmov $1,%edi\n"
"mov (%rbx),%rax\ncall *%rax\nmov %rax,%rdi\n"
"mov 8(%r12),%rdx\ncall *%rdx\nmov %rax,%rdi\n"
"mov $1,%ecx\ncall *(%rbx,%rcx,8)\nmov %rax,%rdi\n"
"call *0x0(%r12)\nmov %rax,%rdi\n"
".byte 0xff,0x93,8,0,0,0\nmov %rax,%rdi\n" // call *8(%rbx), 32-bit displacement
"mov (%rbx),%rax\nmov %rbx,%rbp\ncall *%rax\nmov %rax,%rdi\n"
"push 8(%rbx)\n.byte 0xff,0x94,0x24,0,0,0,0\npop %rcx\nmov %rax,%rdi\n" // call *0(%rsp)
"mov %rbx,%rax\n.byte 0xff,0x90,8,0,0,0\nmov %rax,%rdi\n" // the base is rax
"call *calltab(%rip)\nmov %rax,%rdi\n"
"call *calltab+8(%rip)\nmov %rax,%rdi\n"
"call leaf1\nmov %rax,%rdi\ncall leaf2\n"
"pop %rbp\npop %r12\npop %rbx\nret\n" END(calls)
".data\n.globl calltab\ncalltab: .quad leaf1,leaf2\n.text\n"

// table(n, base): jumps into the middle of a run of two-byte instructions.
FN(table)
"lea 1f(%rip),%rax\nlea (%rax,%rdi,2),%rax\nxor %ecx,%ecx\nxor %edx,%edx\njmp *%rax\n"
"1: inc %ecx\ninc %edx\nadd %ecx,%edx\ninc %ecx\nadd %edx,%ecx\ninc %edx\nxor %ecx,%edx\n"
"mov %edx,%eax\nimul $31,%rcx,%rcx\nadd %rcx,%rax\nret\n" END(table)

// adds(dst, src, n): a carry and an overflow that live across the loop's blocks.
FN(adds)
"xor %ecx,%ecx\nclc\n"
"1: mov (%rsi,%rcx,8),%rax\nadc %rax,(%rdi,%rcx,8)\nlea 1(%rcx),%rcx\n"
"jc 2f\njo 3f\ndec %edx\njnz 1b\njmp 4f\n"
"2: dec %edx\njnz 1b\nseto %al\njmp 5f\n"
"3: dec %edx\njnz 1b\n"
"4: setc %al\n"
"5: movzx %al,%eax\nlea 100(%rax,%rcx),%rax\nret\n" END(adds)

// loops(n)
FN(loops)
"mov %edi,%ecx\nxor %eax,%eax\n"
"1: lea 7(%rax,%rcx),%rax\nloop 1b\n"
"jrcxz 2f\nud2\n"
"2: mov $9,%ecx\n3: add $3,%eax\ncmp $90,%al\nloopne 3b\n"
"mov $4,%ecx\n4: jrcxz 5f\ndec %ecx\nadd %ecx,%eax\njmp 4b\n"
"5: ret\n" END(loops)

// strings(dst, src, n): movs and stos up and down, scas, cmps, lods, xlat.
FN(strings)
"push %rbx\nmov %rdi,%r8\nmov %rsi,%r9\nmov %rdx,%r10\n"
"mov %edx,%ecx\nrep movsb\n"
"lea -1(%r8,%r10),%rdi\nmov $0x41,%al\nmov $5,%ecx\nstd\nrep stosb\ncld\n"
"lea -8(%r8,%r10),%rdi\nlea -8(%r9,%r10),%rsi\nmov $2,%ecx\nstd\nrep movsq\ncld\n"
"mov %r8,%rdi\nmov $-1,%rcx\nmov $0x41,%al\nrepne scasb\nmov %rcx,%r11\n"
"mov %r8,%rdi\nmov %r9,%rsi\nmov %r10,%rcx\nrepe cmpsb\nadd %rcx,%r11\n"
"mov %r9,%rsi\nlodsq\nadd %rax,%r11\nmov %r8,%rdi\nstosl\n"
"mov %r8,%rbx\nmov $3,%al\nxlat\nmovzx %al,%eax\nadd %r11,%rax\n"
"xor %ecx,%ecx\nrep stosb\nadd %rdi,%rax\nsub %r8,%rax\npop %rbx\nret\n" END(strings)

// lockskip(p, v): older C libraries jump over the lock prefix.
FN(lockskip)
"mov %esi,%eax\nmov %esi,%edx\nadd $3,%edx\ntest $1,%sil\nje 1f\nlock\n1: cmpxchg %edx,(%rdi)\n"
"je 2f\nlock\n2: xaddl %eax,(%rdi)\nadd %edx,%eax\nret\n" END(lockskip)

// redzone(n): locals below the stack pointer, across many blocks.
FN(redzone)
"mov %rdi,-8(%rsp)\nmovq $0,-16(%rsp)\nmov %rdi,-128(%rsp)\n"
"1: mov -8(%rsp),%rax\ntest %rax,%rax\nje 2f\nadd %rax,-16(%rsp)\nsubq $1,-8(%rsp)\njmp 1b\n"
"2: mov -16(%rsp),%rax\nadd -128(%rsp),%rax\nret\n" END(redzone)

// frames(n): enter, leave, pushf, popf, push and pop of memory, 16-bit pushes.
FN(frames)
"enter $32,$0\nmov %rdi,-8(%rbp)\nadd $0x7fffffff,%edi\npushfq\npopq -16(%rbp)\n"
"pushq -8(%rbp)\npop %rax\npushq -16(%rbp)\npopfq\nseto %cl\nmovzx %cl,%ecx\nadd %rcx,%rax\n"
"pushw $7\npopw %dx\nmovzx %dx,%edx\nadd %rdx,%rax\nleave\nret\n" END(frames)

// fault(how, p): faults at marked instructions.
FN(fault)
"mov %rdi,%rax\nmov $0x5ca1ab1e,%ecx\nmov %rcx,-8(%rsp)\nmov %rcx,-16(%rsp)\n"
"cmp $1,%eax\nje fault1\ncmp $2,%eax\nje fault2\ncmp $3,%eax\nje fault3\ncmp $4,%eax\nje fault4\ncmp $5,%eax\nje fault5\n"
"cmp $6,%eax\nje fault6\nret\n"
".globl fault1\nfault1: mov 0x11223344(%rsi),%rax\nret\n" // long load
".globl fault2\nfault2: inc %ecx\ninc %edx\nmov (%rsi),%al\nnop\nret\n" // short load inside a window
".globl fault3\nfault3: call *0x11223344(%rsi)\nret\n" // target cannot be read
".globl fault4\nfault4: mov $0x1234567890abcdef,%rax\n.byte 0x48,0xff,0xd0\nnop\nnop\nret\n" // target not canonical
".globl fault5\nfault5: mov %rsp,%rdx\nmov %rsi,%rsp\ncall leaf1\nud2\n" // no stack for the return address
".globl fault6\nfault6: mov noncanon(%rip),%rax\ncall *noncanon(%rip)\nret\n" // not canonical, from memory
END(fault)
".data\nnoncanon: .quad 0x1234567890abcdef\n.text\n"
);

uint64_t leaf1(uint64_t), leaf2(uint64_t), calls(void *), table(uint64_t), adds(uint64_t *, uint64_t *, int),
	loops(uint64_t), strings(char *, char *, uint64_t), lockskip(int *, int), redzone(uint64_t), frames(uint64_t),
	fault(int, void *);
extern void *calltab[2];

static sigjmp_buf back;
static void handler(int sig, siginfo_t *si, void *u) {
	ucontext_t *c = u;
	greg_t *g = c->uc_mcontext.gregs;
	mix(sig);
	mix(si->si_code);
	mix((uint64_t)si->si_addr);
	for (int i = 0; i < 17; i++) mix(g[i]); // r8..rip
	mix(g[REG_EFL] & 0xcd5);
	mix(g[REG_ERR]);
	mix(g[REG_TRAPNO]);
	mix(g[REG_CR2]);
	if (g[REG_RSP] > 0x10000000) {
		mix(*(uint64_t *)(g[REG_RSP] - 8));
		mix(*(uint64_t *)(g[REG_RSP] - 16));
		mix(*(uint64_t *)(g[REG_RSP]));
	}
	siglongjmp(back, 1);
}

__attribute__((target("avx512f,avx512bw,avx512vl,avx2,fma"), noinline)) static void vectors(void) {
	static int a[256], idx[16];
	static double d[64];
	for (int i = 0; i < 256; i++) a[i] = i * 7;
	for (int i = 0; i < 16; i++) idx[i] = i * 11;
	__m512i v = _mm512_i32gather_epi32(_mm512_loadu_si512(idx), a, 4);
	_mm512_i32scatter_epi32(a + 3, _mm512_loadu_si512(idx), v, 4);
	_mm512_mask_storeu_epi8(a + 200, 0xf0f0f0f0f0f0ull, v);
	_mm512_mask_compressstoreu_epi32(a + 100, 0x5a5a, v);
	for (int i = 0; i < 64; i++) d[i] = i * 0.25;
	__m256d x = _mm256_loadu_pd(d + 1);
	for (int i = 0; i < 60; i += 4) {
		x = _mm256_fmadd_pd(x, _mm256_set1_pd(1.5), _mm256_loadu_pd(d + i));
		_mm256_storeu_pd(d + i, x);
		_mm256_maskstore_pd(d + i, _mm256_set_epi64x(-1, 0, -1, 0), x);
	}
	for (int i = 0; i < 256; i++) mix(a[i]);
	for (int i = 0; i < 64; i++) { uint64_t u; memcpy(&u, d + i, 8); mix(u); }
}

__attribute__((noinline)) static long double fpu(int n) {
	long double s = 0;
	for (int i = 1; i < n; i++) s += 1.0L / i - (i & 1) * s / 3;
	return s;
}

static __thread int tls = 5;

int main(void) {
	char src[64], dst[64];
	uint64_t u[8], v[8];
	int n = 7;
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
	static char alt[65536];
	stack_t ss = {.ss_sp = alt, .ss_size = sizeof alt};
	sigaltstack(&ss, 0);
	sigaction(SIGSEGV, &sa, 0);
	sigaction(SIGBUS, &sa, 0);
	sigaction(SIGILL, &sa, 0);
	mix(calls(calltab));
	for (int r = 0; r < 3; r++)
		for (int i = 0; i < 8; i++) mix(table(i));
	for (int i = 0; i < 8; i++) u[i] = 0x7ffffffffffffff0ull * i, v[i] = ~0ull / (i + 1);
	mix(adds(u, v, 8));
	for (int i = 0; i < 8; i++) mix(u[i]);
	mix(loops(11));
	for (int i = 0; i < 64; i++) src[i] = i * 3, dst[i] = 0;
	mix(strings(dst, src, 40));
	for (int i = 0; i < 64; i++) mix(dst[i]);
	for (int i = 0; i < 4; i++) mix(lockskip(&n, 7 + i)), mix(n);
	mix(redzone(9));
	mix(frames(3));
	for (int i = 1; i <= 6; i++)
		if (!sigsetjmp(back, 1)) fault(i, (void *)0x1000);
	if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) vectors();
	mix((uint64_t)(fpu(20) * 1e15L));
	tls += n;
	mix(tls);
	printf("%llx\n", (unsigned long long)sum);
	return 0;
}
