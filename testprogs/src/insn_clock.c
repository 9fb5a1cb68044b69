/* insn_clock: reads the time-stamp counter by rdtsc and rdtscp, in loops, in
 * functions of every alignment, and with the bytes of the instruction as data
 * and as a part of other instructions, which must be left alone.
 *
 * output: data kept, clock went on\n
 */
#include <cpuid.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <x86intrin.h>

static const unsigned char data[] = {0x0f, 0x31, 0x0f, 0x01, 0xf9, 0x0f, 0xc7, 0xf0, 0xc3};

__attribute__((noinline)) static uint64_t plain(void) { return __rdtsc(); }
__attribute__((noinline)) static uint64_t with_cpu(unsigned *cpu) { return __rdtscp(cpu); }
__attribute__((noinline, aligned(64))) static uint64_t fenced(void)
{
	_mm_lfence();
	uint64_t t = __rdtsc();
	_mm_lfence();
	return t;
}

/* The immediate holds the bytes 0f 31: not an instruction. */
__attribute__((noinline)) static uint32_t constant(void)
{
	uint32_t v;
	__asm__ volatile("movl $0x310f310f, %0" : "=r"(v));
	return v;
}

int main(void)
{
	unsigned cpu, a, b, c, d;
	uint64_t last = plain(), backwards = 0;
	for (int i = 0; i < 200; i++) {
		uint64_t t = i % 3 == 0 ? plain() : i % 3 == 1 ? with_cpu(&cpu) : fenced();
		backwards += t < last;
		last = t;
	}
	if (!__get_cpuid(0, &a, &b, &c, &d))
		return 2;
	int kept = constant() == 0x310f310f && data[1] == 0x31 && !memcmp(data + 2, "\x0f\x01\xf9", 3);
	printf("data %s, clock %s\n", kept ? "kept" : "CHANGED", backwards ? "WENT BACK" : "went on");
	return !kept || backwards;
}
