/* sig_chld: children are reaped in a handler for SIGCHLD while the parent
 * waits in sigsuspend.
 *
 * output: 5 reaped, statuses 15\n
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int reaped, statuses;

static void on_child(int sig)
{
	int st;
	while (waitpid(-1, &st, WNOHANG) > 0) {
		reaped++;
		statuses += WEXITSTATUS(st);
	}
}

int main(void)
{
	sigset_t block, old;
	sigemptyset(&block);
	sigaddset(&block, SIGCHLD);
	sigprocmask(SIG_BLOCK, &block, &old);
	struct sigaction sa = {.sa_handler = on_child, .sa_flags = SA_NOCLDSTOP};
	sigaction(SIGCHLD, &sa, NULL);
	for (int i = 1; i <= 5; i++) {
		pid_t pid = fork();
		if (pid < 0)
			abort();
		if (!pid)
			_exit(i);
	}
	while (reaped < 5)
		sigsuspend(&old);
	printf("%d reaped, statuses %d\n", reaped, statuses);
	return statuses != 15;
}
