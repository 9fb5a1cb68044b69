/* Puts known values in every vector and mask register the machine has, and in
   the x87 stack, then stops at a known place. */
#include <immintrin.h>

double num[8];
volatile int stop;

__attribute__((noinline)) void here(void) { stop = 1; }

static unsigned char pat[64 * 32];

__attribute__((constructor)) static void before(void) /* not to be recorded */
{
	for (int i = 0; i < 64 * 32; i++)
		pat[i] = i / 64 * 7 + i % 64;
}

int main(void)
{
#ifdef __AVX512F__
#define L(n) "vmovdqu64 " #n "*64(%0), %%zmm" #n "\n"
	__asm__ volatile(L(0) L(1) L(2) L(3) L(4) L(5) L(6) L(7) L(8) L(9) L(10) L(11) L(12) L(13) L(14) L(15)
		L(16) L(17) L(18) L(19) L(20) L(21) L(22) L(23) L(24) L(25) L(26) L(27) L(28) L(29) L(30) L(31)
		"mov $0x1234, %%eax\n kmovw %%eax, %%k3\n fldpi\n fld1\n"
		"call here\n fstp %%st(0)\n fstp %%st(0)\n" :: "r"(pat) : "memory", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
#elif defined(__AVX__)
#define L(n) "vmovdqu " #n "*64(%0), %%ymm" #n "\n"
	__asm__ volatile(L(0) L(1) L(2) L(3) L(4) L(5) L(6) L(7) L(8) L(9) L(10) L(11) L(12) L(13) L(14) L(15)
		"fldpi\n fld1\n"
		"call here\n fstp %%st(0)\n fstp %%st(0)\n" :: "r"(pat) : "memory", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
#else
#define L(n) "movdqu " #n "*64(%0), %%xmm" #n "\n"
	__asm__ volatile(L(0) L(1) L(2) L(3) L(4) L(5) L(6) L(7) L(8) L(9) L(10) L(11) L(12) L(13) L(14) L(15)
		"fldpi\n fld1\n"
		"call here\n fstp %%st(0)\n fstp %%st(0)\n" :: "r"(pat) : "memory", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
#endif
	return 0;
}
