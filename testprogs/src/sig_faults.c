/* sig_faults: every fault a program can raise, each mended by its handler so
 * that the program goes on: division, illegal instruction, breakpoint, bus
 * error, access, and a trap flag that steps.
 *
 * output: FPE 1 ILL 1 TRAP 1 BUS 1 SEGV 1\n
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int seen[65];
static char *volatile page;

static void on_fault(int sig, siginfo_t *info, void *ctx)
{
	greg_t *r = ((ucontext_t *)ctx)->uc_mcontext.gregs;
	seen[sig]++;
	switch (sig) {
	case SIGFPE: r[REG_RCX] = 1; break;   /* the divisor */
	case SIGILL: r[REG_RIP] += 2; break;  /* ud2 */
	case SIGTRAP: break;                  /* int3: already behind it */
	case SIGBUS:
		if (mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
			abort();
		break;
	case SIGSEGV:
		if (mprotect(page, 4096, PROT_READ | PROT_WRITE))
			abort();
	}
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	int sigs[] = {SIGFPE, SIGILL, SIGTRAP, SIGBUS, SIGSEGV};
	for (int i = 0; i < 5; i++)
		sigaction(sigs[i], &sa, NULL);

	long q = 84, d = 0, rem = 0;
	__asm__ volatile("idivq %%rcx" : "+a"(q), "+d"(rem), "+c"(d));
	__asm__ volatile("ud2");
	__asm__ volatile("int3");
	int fd = memfd_create("empty", 0);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	*(volatile char *)page = 1; /* beyond the file's end */
	mprotect(page, 4096, PROT_NONE);
	*(volatile char *)page = 2;
	printf("FPE %d ILL %d TRAP %d BUS %d SEGV %d\n", seen[SIGFPE], seen[SIGILL], seen[SIGTRAP], seen[SIGBUS], seen[SIGSEGV]);
	return q != 84 || page[0] != 2;
}
