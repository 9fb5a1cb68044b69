/* sig_itimer: twenty signals of an interval timer reach a program that computes
 * all the time and never makes a system call of its own accord. The handler
 * looks at the interrupted registers.
 *
 * output: 20 ticks\n
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/time.h>
#include <ucontext.h>

volatile sig_atomic_t ticks;
static uint64_t where;

static void tick(int sig, siginfo_t *info, void *ctx)
{
	where |= ((ucontext_t *)ctx)->uc_mcontext.gregs[REG_RIP];
	ticks++; /* MARK tick */
}

static double compute(double x)
{
	for (int i = 0; i < 1000; i++)
		x = x * 1.0000001 + i / (x + 1);
	return x;
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = tick, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigaction(SIGALRM, &sa, NULL);
	struct itimerval it = {{0, 5000}, {0, 5000}}, off = {{0}};
	setitimer(ITIMER_REAL, &it, NULL);
	double x = 1;
	while (ticks < 20)
		x = compute(x);
	setitimer(ITIMER_REAL, &off, NULL);
	printf("20 ticks\n");
	return !(x > 1) || !where;
}
