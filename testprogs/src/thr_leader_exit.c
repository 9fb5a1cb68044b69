/* thr_leader_exit: the main thread ends first; the others go on, and the last
 * one ends the process with its own status.
 *
 * exit: 5
 * output: leader is gone\n
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_t leader;

static void *other(void *arg)
{
	if (pthread_join(leader, NULL))
		abort();
	puts("leader is gone"); /* MARK after_leader */
	fflush(stdout);
	int p[2];
	char c;
	if (pipe(p) || write(p[1], "x", 1) != 1 || read(p[0], &c, 1) != 1)
		abort();
	exit(5);
}

int main(void)
{
	pthread_t t;
	leader = pthread_self();
	if (pthread_create(&t, NULL, other, NULL))
		abort();
	pthread_exit(NULL);
}
