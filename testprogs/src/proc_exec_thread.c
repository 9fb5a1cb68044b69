/* proc_exec_thread: a thread other than the first executes a new program while
 * others compute and wait: all of them are gone, and its process id stays.
 *
 * output: same pid\n
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *computes(void *arg)
{
	for (volatile unsigned x = 0;; x++)
		;
	return NULL;
}

static void *executes(void *arg)
{
	char cmd[100];
	snprintf(cmd, sizeof cmd, "test $$ = %d && echo same pid", getpid());
	usleep(10000);
	execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
	abort();
}

int main(void)
{
	pthread_t t[2];
	if (pthread_create(&t[0], NULL, computes, NULL) || pthread_create(&t[1], NULL, executes, NULL))
		abort();
	pthread_join(t[0], NULL);
	return 1;
}
