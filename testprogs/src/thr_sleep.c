/* thr_sleep: sleeps that are told to write what is left of them to where their
 * duration came from, while another thread is there, and calls whose other
 * inputs are also outputs.
 *
 * output: slept 20, polled 5, selected 5\n
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int pipes[2];

static void *sleeper(void *arg)
{
	for (int i = 0; i < 20; i++) {
		struct timespec t = {0, 2000000};
		if (i & 1)
			syscall(SYS_nanosleep, &t, &t);
		else
			syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &t, &t);
		if (t.tv_nsec != 2000000 || t.tv_sec != 0)
			return NULL;
	}
	return arg;
}

int main(void)
{
	pthread_t t;
	void *slept;
	int polled = 0, selected = 0;
	if (pipe(pipes))
		return 1;
	pthread_create(&t, NULL, sleeper, &t);
	for (int i = 0; i < 5; i++) {
		struct pollfd p = {pipes[0], POLLIN, 0};
		struct timespec limit = {0, 1000000};
		polled += ppoll(&p, 1, &limit, NULL) == 0;
		/* One set for reading and for exceptions. */
		fd_set set;
		FD_ZERO(&set);
		FD_SET(pipes[0], &set);
		struct timeval tv = {0, 1000};
		selected += select(pipes[0] + 1, &set, NULL, &set, &tv) == 0 && !FD_ISSET(pipes[0], &set);
	}
	pthread_join(t, &slept);
	printf("slept %d, polled %d, selected %d\n", slept ? 20 : 0, polled, selected);
	return 0;
}
