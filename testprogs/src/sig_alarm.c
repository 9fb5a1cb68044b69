/* sig_alarm: a handler counts timer signals that arrive while the program
 * computes, waits and computes again.
 *
 * output: enough alarms\n
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

static void every(int ms)
{
	struct itimerval it = {{0, ms * 1000}, {0, ms * 1000}};
	setitimer(ITIMER_REAL, &it, NULL);
}

int main(void)
{
	signal(SIGALRM, on_alarm);
	every(30);
	while (alarms < 1)
		work++;
	pause();
	int now = alarms;
	while (alarms == now)
		work += work << 1 ^ 5;
	every(0);
	printf("%s alarms\n", alarms >= 3 ? "enough" : "too few");
	return alarms < 3;
}
