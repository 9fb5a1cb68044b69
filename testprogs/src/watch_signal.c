/* watch_signal: a signal's handler changes the mode of a program that is in the
 * middle of a computation.
 *
 * usage: watch_signal [SEED]
 * args: 1
 * exit: 1
 * watch: mode
 */
#include "watch.h"
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

volatile sig_atomic_t mode, ticks;
static volatile int bad;

static void tick(int sig)
{
	if (++ticks == bad)
		mode = 3; /* MARK culprit */
}

int main(int argc, char **argv)
{
	seed(argc, argv);
	bad = 5 + rnd() % 20;
	mode = 1;
	signal(SIGALRM, tick);
	setitimer(ITIMER_REAL, &(struct itimerval){{0, 1000}, {0, 1000}}, NULL);
	volatile unsigned long sum = 0;
	for (int i = 0; ticks < bad + 10; i++) {
		for (int k = 0; k < 1000; k++)
			sum += k ^ i;
		if (i % 16 == 0)
			getppid();
	}
	return mode == 3;
}
