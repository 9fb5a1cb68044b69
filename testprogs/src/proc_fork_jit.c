/* proc_fork_jit: makes code at run time that reads the time stamp, which yore has
 * trapped then, and after that child processes: by fork, vfork and posix_spawn. Each
 * goes on by itself.
 *
 * output: called 7, forked 4, vforked 5, spawned 6\n
 */
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
unsigned clock_;

static int status(pid_t child)
{
	int s = -1;
	waitpid(child, &s, 0);
	return WIFEXITED(s) ? WEXITSTATUS(s) : -1;
}

int main(void)
{
	static const unsigned char seven[] = {
		0x0f, 0x31,             /* rdtsc */
		0x89, 0x06,             /* mov %eax, (%rsi) */
		0xb8, 7, 0, 0, 0, 0xc3, /* mov $7, %eax; ret */
	};
	void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *argv[] = {"sh", "-c", "exit 6", NULL};
	pid_t child;

	memcpy(code, seven, sizeof seven);
	printf("called %d", ((int (*)(int, unsigned *))code)(0, &clock_));
	fflush(stdout);
	if ((child = fork()) == 0)
		_exit(4);
	printf(", forked %d", status(child));
	if ((child = vfork()) == 0)
		_exit(5);
	printf(", vforked %d", status(child));
	if (posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environ))
		return 1;
	printf(", spawned %d\n", status(child));
	return 0;
}
