/* mem_jit: writes machine code at run time, runs it, changes it and runs it
 * again: in memory that is writable and executable at once, in memory that is
 * switched between the two, and through a second mapping.
 *
 * output: 30 runs, 0 wrong\n
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* mov eax, IMM; rdtsc when asked; mov eax, IMM; ret */
static void emit(unsigned char *p, uint32_t v, int clock)
{
	if (clock) {
		*p++ = 0x0f;
		*p++ = 0x31;
	}
	*p++ = 0xb8;
	memcpy(p, &v, 4);
	p[4] = 0xc3;
}

static uint32_t call(void *p) { return ((uint32_t(*)(void))p)(); }

int main(void)
{
	int wrong = 0;
	unsigned char *rwx = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *sw = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = memfd_create("code", 0);
	if (rwx == MAP_FAILED || sw == MAP_FAILED || ftruncate(fd, 4096))
		abort();
	unsigned char *w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	unsigned char *x = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	if (w == MAP_FAILED || x == MAP_FAILED)
		abort();
	for (uint32_t i = 0; i < 10; i++) {
		emit(rwx, i, i & 1);
		wrong += call(rwx) != i; /* MARK call */
		mprotect(sw, 4096, PROT_READ | PROT_WRITE);
		emit(sw, i * 7, i & 1);
		mprotect(sw, 4096, PROT_READ | PROT_EXEC);
		wrong += call(sw) != i * 7;
		emit(w, i * 9, i & 1);
		wrong += call(x) != i * 9;
	}
	printf("30 runs, %d wrong\n", wrong);
	return wrong != 0;
}
