/* thr_interrupted: makes 300 threads, one after the other, while a child process
 * sends it signals that it ignores: some meet it inside clone, which is then broken
 * off and begun again. (pthread_create blocks signals around its clone.)
 *
 * output: 300 threads\n
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char stack[65536] __attribute__((aligned(16)));
static int made, alive;

static int count(void *arg)
{
	++*(int *)arg;
	syscall(SYS_exit, 0);
	return 0;
}

int main(void)
{
	pid_t us = getpid(), child = fork();
	if (child == 0)
		while (kill(us, SIGURG) == 0 && getppid() == us)
			usleep(20);
	for (int i = 0; i < 300; i++) {
		alive = 1;
		if (clone(count, stack + sizeof stack,
			  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
				  CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
			  &made, NULL, NULL, &alive) < 0)
			return 1;
		while (__atomic_load_n(&alive, __ATOMIC_SEQ_CST))
			syscall(SYS_futex, &alive, FUTEX_WAIT, 1, NULL, NULL, 0);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	printf("%d threads\n", made);
	return made != 300;
}
