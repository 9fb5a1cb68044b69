/* sys_poll: poll, ppoll, select, pselect and epoll: ready at once, after a
 * while, timed out and interrupted by a signal.
 *
 * output: poll ok\n
 */
#include "check.h"
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/time.h>

static volatile int alarms;
static void on_alarm(int sig) { alarms += sig == SIGALRM; }

/* Signals every ms milliseconds from now on, so that one comes during the call
 * however slow the machine is; 0 for none. */
static void alarm_in(int ms)
{
	struct itimerval it = {{0, ms * 1000}, {0, ms * 1000}};
	OK(setitimer(ITIMER_REAL, &it, NULL));
}

#define INTERRUPTED(call)                                                          \
	do {                                                                       \
		alarm_in(60);                                                      \
		FAILS(EINTR, call);                                                \
		alarm_in(0);                                                       \
	} while (0)

int main(void)
{
	int p[2], q[2];
	OK(pipe(p));
	OK(pipe(q));
	OK(write(q[1], "x", 1));
	struct sigaction sa = {.sa_handler = on_alarm};
	OK(sigaction(SIGALRM, &sa, NULL));
	sigset_t none;
	sigemptyset(&none);

	struct pollfd fds[4] = {{p[0], POLLIN, 7}, {q[0], POLLIN, 7}, {-1, POLLIN, 7}, {999, POLLIN, 7}};
	CHECK(OK(syscall(SYS_poll, fds, 4, -1)) == 2 && fds[1].revents == POLLIN && fds[3].revents == POLLNVAL);
	fds[0].revents = 7;
	CHECK(OK(syscall(SYS_poll, fds, 1, 0)) == 0 && !fds[0].revents);
	CHECK(OK(syscall(SYS_poll, fds, 1, 50)) == 0);
	fds[0].revents = 7;
	INTERRUPTED(syscall(SYS_poll, fds, 1, 50000));
	struct timespec ts = {0, 50000000};
	CHECK(OK(syscall(SYS_ppoll, fds, 1, &ts, &none, 8)) == 0);
	ts = (struct timespec){50, 0};
	CHECK(OK(syscall(SYS_ppoll, fds, 2, &ts, NULL, 8)) == 1);
	INTERRUPTED(syscall(SYS_ppoll, fds, 1, &ts, &none, 8));

	fd_set r, w, e;
	struct timeval tv = {3, 0};
#define SETS                                                                       \
	do {                                                                       \
		FD_ZERO(&r);                                                       \
		FD_ZERO(&w);                                                       \
		FD_ZERO(&e);                                                       \
		FD_SET(p[0], &r);                                                  \
		FD_SET(q[0], &r);                                                  \
		FD_SET(p[1], &w);                                                  \
		FD_SET(q[0], &e);                                                  \
	} while (0)
	SETS;
	CHECK(OK(syscall(SYS_select, 64, &r, &w, &e, &tv)) == 2 && FD_ISSET(q[0], &r) && FD_ISSET(p[1], &w));
	SETS;
	FD_CLR(q[0], &r);
	tv = (struct timeval){0, 40000};
	CHECK(OK(syscall(SYS_select, p[0] + 1, &r, NULL, NULL, &tv)) == 0 && !FD_ISSET(p[0], &r));
	SETS;
	FD_CLR(q[0], &r);
	tv = (struct timeval){50, 0};
	INTERRUPTED(syscall(SYS_select, p[0] + 1, &r, NULL, NULL, &tv));
	CHECK(FD_ISSET(p[0], &r));
	SETS;
	ts = (struct timespec){0, 40000000};
	struct { sigset_t *s; size_t n; } mask = {&none, 8};
	CHECK(OK(syscall(SYS_pselect6, 64, &r, NULL, NULL, &ts, &mask)) == 1);
	CHECK(OK(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts, NULL)) == 0);
	FD_ZERO(&r);
	FD_SET(60, &r);
	FAILS(EBADF, select(64, &r, NULL, NULL, NULL));

	int ep = OK(epoll_create1(EPOLL_CLOEXEC)), ep2 = OK(syscall(SYS_epoll_create, 5));
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 0x123456789abcdefull}, got[5];
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, q[0], &ev));
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	FAILS(EEXIST, epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	memset(got, 0, sizeof got);
	CHECK(OK(syscall(SYS_epoll_wait, ep, got, 5, -1)) == 1 && got[0].data.u64 == ev.data.u64 && !got[1].events);
	CHECK(OK(syscall(SYS_epoll_pwait, ep, got, 5, 100, &none, 8)) == 1);
	ts = (struct timespec){1, 0};
	MAY(syscall(441, ep, got, 5, &ts, NULL, 8)); /* epoll_pwait2 */
	OK(epoll_ctl(ep, EPOLL_CTL_DEL, q[0], NULL));
	CHECK(OK(epoll_wait(ep, got, 5, 40)) == 0);
	INTERRUPTED(epoll_wait(ep, got, 5, 50000));
	OK(epoll_ctl(ep2, EPOLL_CTL_ADD, ep, &ev));
	CHECK(OK(epoll_wait(ep2, got, 5, 0)) == 0);
	CHECK(alarms >= 4);
	puts("poll ok");
	return 0;
}
