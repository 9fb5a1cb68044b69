/* sys_events: eventfd, timerfd, signalfd, inotify, fanotify where allowed, and
 * pidfds.
 *
 * output: events ok\n
 */
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

int main(void)
{
	uint64_t n = 5;
	int fd = OK(eventfd(3, 0)), sem = OK(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
	CHECK(OK(write(fd, &n, 8)) == 8);
	CHECK(OK(read(fd, &n, 8)) == 8 && n == 8);
	CHECK(OK(read(sem, &n, 8)) == 8 && n == 1);
	CHECK(OK(read(sem, &n, 8)) == 8 && n == 1);
	FAILS(EAGAIN, read(sem, &n, 8));
	FAILS(EINVAL, read(sem, &n, 4));
	OK(syscall(SYS_eventfd, 1));

	int t = OK(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
	struct itimerspec it = {{0, 20000000}, {0, 60000000}}, old;
	OK(timerfd_settime(t, 0, &it, &old));
	OK(timerfd_gettime(t, &old));
	CHECK(old.it_interval.tv_nsec == 20000000);
	CHECK(OK(read(t, &n, 8)) == 8 && n >= 1);

	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	OK(sigprocmask(SIG_BLOCK, &set, NULL));
	int s = OK(signalfd(-1, &set, 0));
	OK(kill(getpid(), SIGUSR1));
	OK(sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 42}));
	struct signalfd_siginfo si[3];
	CHECK(OK(read(s, si, sizeof si)) == 2 * sizeof si[0]);
	CHECK(si[0].ssi_signo == SIGUSR1 && si[1].ssi_int == 42);
	sigdelset(&set, SIGUSR2);
	OK(signalfd(s, &set, 0));

	int in = OK(inotify_init1(IN_NONBLOCK)), in2 = OK(syscall(SYS_inotify_init));
	OK(mkdir("watched", 0700));
	int w = OK(inotify_add_watch(in, "watched", IN_ALL_EVENTS));
	OK(close(OK(creat("watched/file", 0600))));
	OK(rename("watched/file", "watched/other"));
	char ev[4096];
	long len = OK(read(in, ev, sizeof ev));
	struct inotify_event *first = (void *)ev;
	CHECK(len > (long)sizeof *first && first->mask & IN_CREATE && !strcmp(first->name, "file"));
	OK(inotify_rm_watch(in, w));
	OK(close(in2));

	int fan = MAY(fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY));
	if (fan >= 0 && MAY(fanotify_mark(fan, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "watched/other")) == 0) {
		OK(close(OK(open("watched/other", O_RDONLY))));
		MAY(read(fan, ev, sizeof ev));
	}
	OK(unlink("watched/other"));
	OK(rmdir("watched"));

	pid_t child = OK(fork());
	if (!child) {
		pause();
		_exit(1);
	}
	int pfd = MAY(syscall(434, child, 0)); /* pidfd_open */
	if (pfd >= 0) {
		MAY(syscall(438, pfd, 0, 0)); /* pidfd_getfd */
		OK(syscall(424, pfd, SIGTERM, NULL, 0)); /* pidfd_send_signal */
		CHECK(OK(poll(&(struct pollfd){pfd, POLLIN, 0}, 1, 5000)) == 1);
		siginfo_t info;
		OK(waitid(3 /* P_PIDFD */, pfd, &info, WEXITED));
		CHECK(info.si_pid == child && info.si_status == SIGTERM);
	} else {
		OK(kill(child, SIGTERM));
		OK(waitpid(child, NULL, 0));
	}
	puts("events ok");
	return 0;
}
