/* sig_alarm: a handler counts timer signals that arrive while the program
 * computes, waits and computes again.
 *
 * output: 3 alarms\n
 */
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

volatile sig_atomic_t alarms;
volatile unsigned long work;

static void on_alarm(int sig)
{
	alarms++; /* MARK handler */
}

static void in(int ms)
{
	struct itimerval it = {.it_value = {ms / 1000, ms % 1000 * 1000}};
	setitimer(ITIMER_REAL, &it, NULL);
}

int main(void)
{
	signal(SIGALRM, on_alarm);
	in(30);
	while (alarms < 1)
		work++;
	in(30);
	pause();
	in(30);
	while (alarms < 3)
		work += work << 1 ^ 5;
	printf("%d alarms\n", (int)alarms);
	return alarms != 3;
}
