/* sys_time: clocks, sleeps (whole and interrupted), interval timers, POSIX
 * timers, and what is counted of the process's time.
 *
 * output: time ok\n
 */
#include "check.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <time.h>

static volatile int hits;
static void on_signal(int sig) { hits++; }

int main(void)
{
	struct timespec ts, rem;
	struct timeval tv;
	struct timezone tz;
	struct itimerval it = {}, old;
	struct rusage ru;
	struct tms tms;
	struct timex tx = {};
	time_t now;
	struct sigaction sa = {.sa_handler = on_signal};
	OK(sigaction(SIGALRM, &sa, NULL));
	OK(sigaction(SIGUSR1, &sa, NULL));

	for (int c = 0; c <= 11; c++) {
		if (c == 10)
			continue;
		MAY(syscall(SYS_clock_gettime, c, &ts));
		MAY(syscall(SYS_clock_getres, c, &ts));
	}
	OK(syscall(SYS_clock_getres, CLOCK_MONOTONIC, NULL));
	FAILS(EINVAL, syscall(SYS_clock_gettime, 99, &ts));
	OK(syscall(SYS_gettimeofday, &tv, &tz));
	CHECK(OK(syscall(SYS_time, &now)) == now);
	OK(times(&tms));
	OK(getrusage(RUSAGE_SELF, &ru));
	OK(getrusage(RUSAGE_THREAD, &ru));
	OK(adjtimex(&tx));
	OK(clock_adjtime(CLOCK_REALTIME, &tx));

	ts = (struct timespec){0, 50000000};
	OK(syscall(SYS_nanosleep, &ts, &rem));
	OK(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL));
	it.it_value.tv_usec = it.it_interval.tv_usec = 60000; /* until one comes in time */
	OK(setitimer(ITIMER_REAL, &it, &old));
	ts.tv_sec = 50;
	FAILS(EINTR, syscall(SYS_nanosleep, &ts, &rem));
	CHECK(rem.tv_sec <= 50 && rem.tv_sec >= 20 && hits >= 1);
	FAILS(EINTR, syscall(SYS_clock_nanosleep, CLOCK_REALTIME, 0, &ts, &rem));
	CHECK(rem.tv_sec >= 20 && hits >= 2);
	it = (struct itimerval){};
	OK(setitimer(ITIMER_REAL, &it, &old));
	hits = 0;
	OK(clock_gettime(CLOCK_MONOTONIC, &ts));
	ts.tv_nsec = 0;
	OK(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL));
	OK(getitimer(ITIMER_PROF, &old));
	OK(alarm(100) == 0 ? 0 : -1);
	CHECK(alarm(0) > 90);

	timer_t t;
	struct sigevent se = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	int id;
	OK(syscall(SYS_timer_create, CLOCK_MONOTONIC, &se, &id));
	struct itimerspec its = {{0, 50000000}, {0, 50000000}}, ots;
	OK(syscall(SYS_timer_settime, id, 0, &its, &ots));
	OK(syscall(SYS_timer_gettime, id, &ots));
	CHECK(ots.it_value.tv_nsec > 0);
	FAILS(EINTR, pause());
	OK(syscall(SYS_timer_getoverrun, id));
	OK(syscall(SYS_timer_delete, id));
	FAILS(EINVAL, syscall(SYS_timer_create, 99, &se, &id));
	OK(timer_create(CLOCK_REALTIME, &se, &t));
	OK(timer_delete(t));
	CHECK(hits >= 1);
	puts("time ok");
	return 0;
}
