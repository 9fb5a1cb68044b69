/* proc_spawn: posix_spawn with file actions, system and popen, from a thread
 * while another one computes.
 *
 * output: spawned: hello\nsystem 3\npopen: 2 lines\n
 */
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static volatile int stop;

static void *compute(void *arg)
{
	volatile unsigned x = 1;
	while (!stop)
		x = x * 69069 + 1;
	return NULL;
}

int main(void)
{
	pthread_t t;
	if (pthread_create(&t, NULL, compute, NULL))
		abort();
	int p[2], st;
	pid_t pid;
	char buf[100] = "";
	posix_spawn_file_actions_t fa;
	char *argv[] = {"sh", "-c", "echo hello", NULL};
	if (pipe(p) || posix_spawn_file_actions_init(&fa) || posix_spawn_file_actions_adddup2(&fa, p[1], 1) ||
	    posix_spawn_file_actions_addclose(&fa, p[0]) || posix_spawn(&pid, "/bin/sh", &fa, NULL, argv, environ))
		abort();
	close(p[1]);
	if (read(p[0], buf, sizeof buf - 1) < 0 || waitpid(pid, &st, 0) != pid || st)
		abort();
	printf("spawned: %s", buf);
	printf("system %d\n", WEXITSTATUS(system("exit 3")));
	FILE *f = popen("echo one; echo two", "r");
	int lines = 0;
	while (f && fgets(buf, sizeof buf, f))
		lines++;
	if (!f || pclose(f))
		abort();
	printf("popen: %d lines\n", lines);
	stop = 1;
	pthread_join(t, NULL);
	return lines != 2;
}
