/* sys_wait: children by fork, vfork and posix_spawn, and every way of waiting
 * for them: states, usage, process groups, no-hang and no-wait.
 *
 * output: wait ok\n
 */
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;

/* A child that exits when it is told to. */
static pid_t child(int status, int *tell)
{
	int p[2];
	char c;
	OK(pipe(p));
	pid_t pid = OK(fork());
	if (!pid) {
		close(p[1]);
		read(p[0], &c, 1);
		_exit(status);
	}
	OK(close(p[0]));
	*tell = p[1];
	return pid;
}

int main(void)
{
	int st, tell;
	struct rusage ru;
	siginfo_t info;
	pid_t pid = child(7, &tell);
	OK(close(tell));
	CHECK(OK(wait4(pid, &st, 0, &ru)) == pid && WEXITSTATUS(st) == 7);
	FAILS(ECHILD, wait4(-1, &st, 0, &ru));
	memset(&info, 0xff, sizeof info);
	FAILS(ECHILD, syscall(SYS_waitid, P_ALL, 0, &info, WEXITED, &ru));

	pid = child(8, &tell);
	CHECK(OK(wait4(pid, &st, WNOHANG, NULL)) == 0);
	OK(syscall(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG, &ru));
	CHECK(info.si_pid == 0);
	OK(close(tell));
	OK(syscall(SYS_waitid, P_PID, pid, &info, WEXITED | WNOWAIT, &ru));
	CHECK(info.si_pid == pid && info.si_status == 8);
	CHECK(OK(waitpid(pid, &st, 0)) == pid);

	int p[2];
	char c;
	OK(pipe(p));
	if (!(pid = OK(fork()))) {
		close(p[0]);
		write(p[1], "x", 1);
		for (;;)
			pause();
	}
	OK(close(p[1]));
	CHECK(OK(read(p[0], &c, 1)) == 1);
	OK(kill(pid, SIGSTOP));
	CHECK(OK(waitpid(pid, &st, WUNTRACED)) == pid && WIFSTOPPED(st));
	OK(kill(pid, SIGCONT));
	OK(waitid(P_PID, pid, &info, WCONTINUED));
	CHECK(info.si_code == CLD_CONTINUED);
	OK(kill(pid, SIGKILL));
	CHECK(OK(waitpid(-getpgrp(), &st, 0)) == pid && WTERMSIG(st) == SIGKILL);
	CHECK(OK(read(p[0], &c, 1)) == 0);

	if (!(pid = vfork()))
		_exit(9);
	CHECK(OK(waitpid(pid, &st, 0)) == pid && WEXITSTATUS(st) == 9);

	char *argv[] = {"sh", "-c", "exit 10", NULL};
	CHECK(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) == 0);
	CHECK(OK(wait(&st)) == pid && WEXITSTATUS(st) == 10);
	CHECK(posix_spawn(&pid, "/nothing", NULL, NULL, argv, environ) == ENOENT);
	CHECK(WEXITSTATUS(system("exit 11")) == 11);
	FILE *f = popen("echo popen", "r");
	char line[20] = "";
	CHECK(f && fgets(line, sizeof line, f) && !strcmp(line, "popen\n") && pclose(f) == 0);
	OK(getrusage(RUSAGE_CHILDREN, &ru));
	puts("wait ok");
	return 0;
}
