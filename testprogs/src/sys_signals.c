/* sys_signals: actions, masks, alternate stacks, queued signals with values,
 * waiting for signals synchronously and in suspension.
 *
 * output: signals ok\n
 */
#include "check.h"
#include <signal.h>
#include <stdint.h>
#include <sys/time.h>

static volatile int hits, value, on_alt;
static char alt[32768];

static void on_signal(int sig, siginfo_t *info, void *ctx)
{
	char here;
	hits++;
	value = info->si_value.sival_int;
	on_alt = &here >= alt && &here < alt + sizeof alt;
}

int main(void)
{
	stack_t ss = {.ss_sp = alt, .ss_size = sizeof alt}, oss;
	OK(sigaltstack(&ss, NULL));
	OK(sigaltstack(NULL, &oss));
	CHECK(oss.ss_sp == alt);
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK}, osa;
	OK(sigaction(SIGUSR1, &sa, &osa));
	OK(sigaction(SIGRTMIN, &sa, NULL));
	OK(sigaction(SIGUSR1, NULL, &osa));
	CHECK(osa.sa_sigaction == on_signal);

	OK(raise(SIGUSR1));
	CHECK(hits == 1 && on_alt);
	OK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 77}));
	CHECK(hits == 2 && value == 77);

	sigset_t set, old, pending;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	OK(sigprocmask(SIG_BLOCK, &set, &old));
	OK(kill(getpid(), SIGUSR1));
	OK(syscall(SYS_tkill, getpid(), SIGRTMIN));
	OK(syscall(SYS_tgkill, getpid(), getpid(), SIGRTMIN));
	OK(sigpending(&pending));
	CHECK(sigismember(&pending, SIGUSR1) && hits == 2);
	siginfo_t info;
	CHECK(OK(sigwaitinfo(&set, &info)) == SIGRTMIN); /* the thread's own come first */
	CHECK(OK(sigtimedwait(&set, &info, &(struct timespec){1, 0})) == SIGRTMIN);
	CHECK(OK(sigtimedwait(&set, NULL, &(struct timespec){1, 0})) == SIGUSR1);
	FAILS(EAGAIN, sigtimedwait(&set, &info, &(struct timespec){0, 0}));
	FAILS(EAGAIN, sigtimedwait(&set, &info, &(struct timespec){0, 50000000}));
	info = (siginfo_t){.si_signo = SIGRTMIN, .si_code = SI_QUEUE};
	OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGRTMIN, &info));
	OK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, &info));
	FAILS(EINTR, sigsuspend(&old)); /* takes one and blocks the other again */
	CHECK(hits == 3);
	OK(sigprocmask(SIG_SETMASK, &old, &set));
	CHECK(hits == 4);

	OK(sigaction(SIGALRM, &sa, NULL));
	struct itimerval it = {{0, 50000}, {0, 50000}}, off = {};
	OK(setitimer(ITIMER_REAL, &it, NULL));
	FAILS(EINTR, pause());
	OK(setitimer(ITIMER_REAL, &off, NULL));
	CHECK(hits >= 5);
	FAILS(EINVAL, sigaction(SIGKILL, &sa, NULL));
	FAILS(ESRCH, syscall(SYS_tgkill, getpid(), 1, 0));
	puts("signals ok");
	return 0;
}
