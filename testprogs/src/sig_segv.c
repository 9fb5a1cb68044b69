/* sig_segv: bad accesses caught by a handler on an alternate stack, which jumps
 * back out with siglongjmp; also a stack that overflows.
 *
 * output: 5 faults caught, 1 overflow\n
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

static sigjmp_buf out;
static int faults, overflows;
static char *volatile bad;
static char alt[65536];

static void on_fault(int sig, siginfo_t *info, void *ctx)
{
	if (info->si_addr == bad)
		faults++; /* MARK caught */
	else
		overflows++;
	siglongjmp(out, 1);
}

static int deeper(int n)
{
	volatile char frame[4096];
	frame[0] = n;
	return deeper(n + 1) + frame[0];
}

int main(void)
{
	stack_t ss = {.ss_sp = alt, .ss_size = sizeof alt};
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	struct rlimit rl = {1 << 20, 1 << 20};
	if (sigaltstack(&ss, NULL) || sigaction(SIGSEGV, &sa, NULL))
		abort();
	bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (volatile int i = 0; i < 5; i++)
		if (!sigsetjmp(out, 1))
			*bad = 1; /* MARK fault */
	setrlimit(RLIMIT_STACK, &rl);
	if (!sigsetjmp(out, 1))
		deeper(0);
	printf("%d faults caught, %d overflow\n", faults, overflows);
	return faults != 5 || overflows != 1;
}
