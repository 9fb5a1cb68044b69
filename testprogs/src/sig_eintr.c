/* sig_eintr: system calls interrupted by signals: those that fail with EINTR
 * and those that SA_RESTART resumes.
 *
 * output: read EINTR, nanosleep EINTR, select EINTR, restarted read 5\n
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int p[2];
static volatile int restarting;

static void on_alarm(int sig)
{
	if (restarting && write(p[1], "later", restarting) != restarting)
		abort();
	restarting = 0;
}

/* Every 30 ms, so that one comes during the call however slow the machine is. */
static void in_30ms(int flags)
{
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = flags};
	sigaction(SIGALRM, &sa, NULL);
	struct itimerval it = {{0, 30000}, {0, 30000}};
	setitimer(ITIMER_REAL, &it, NULL);
}

static const char *eintr(int r) { return r == -1 && errno == EINTR ? "EINTR" : "?"; }

int main(void)
{
	char buf[10];
	struct timespec ts = {100, 0};
	fd_set set;
	if (pipe(p))
		abort();
	in_30ms(0);
	const char *a = eintr(read(p[0], buf, sizeof buf));
	in_30ms(SA_RESTART);
	const char *b = eintr(nanosleep(&ts, &ts));
	FD_ZERO(&set);
	FD_SET(p[0], &set);
	in_30ms(SA_RESTART);
	const char *c = eintr(select(p[0] + 1, &set, NULL, NULL, NULL));
	restarting = 5;
	in_30ms(SA_RESTART);
	long n = read(p[0], buf, sizeof buf);
	printf("read %s, nanosleep %s, select %s, restarted read %ld\n", a, b, c, n);
	return n != 5;
}
