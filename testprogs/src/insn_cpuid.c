/* insn_cpuid: asks for the processor's features and its own number by cpuid, in
 * compiled code and in code made at run time, which no recorder can search. The
 * numbers are kept in memory: a replay on another processor would have others.
 *
 * output: cpuid ok\n
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static unsigned compiled[4], made[4];

int main(void)
{
	/* push rbx; mov eax, edi; mov r8, rsi; xor ecx, ecx; cpuid; mov [r8], eax;
	 * mov [r8+4], ebx; mov [r8+8], ecx; mov [r8+12], edx; pop rbx; ret */
	static const unsigned char code[] = {0x53, 0x89, 0xf8, 0x49, 0x89, 0xf0, 0x31, 0xc9, 0x0f, 0xa2,
		0x41, 0x89, 0x00, 0x41, 0x89, 0x58, 0x04, 0x41, 0x89, 0x48, 0x08, 0x41, 0x89, 0x50, 0x0c, 0x5b, 0xc3};
	void *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m == MAP_FAILED)
		return 1;
	memcpy(m, code, sizeof code);
	for (int i = 0; i < 3; i++) {
		__cpuid(1, compiled[0], compiled[1], compiled[2], compiled[3]);
		((void (*)(unsigned, unsigned *))m)(1, made);
		if (compiled[0] != made[0] || compiled[3] != made[3])
			return 2;
	}
	puts("cpuid ok");
	return 0;
}
