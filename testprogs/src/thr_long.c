/* thr_long: runs for as many seconds as one asks for: threads that compute and
 * sleep by turns, with a timer's signals between, so that threads are preempted
 * several times a second all along.
 *
 * usage: thr_long [SECONDS]
 * args: 1
 * output: 0 wrong\n
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ticks;
static volatile int done;
static unsigned long table[4][4096];

static void on_tick(int sig) { ticks++; }

static void *worker(void *arg)
{
	long me = (long)arg;
	unsigned long x = me + 1, sum = 0, check = 0;
	while (!done) {
		for (int i = 0; i < 5000000; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			unsigned long *p = &table[me][x & 4095];
			sum += x - *p;
			*p = x;
		}
		usleep(200000);
	}
	for (int i = 0; i < 4096; i++)
		check += table[me][i];
	return (void *)(sum - check);
}

int main(int argc, char **argv)
{
	pthread_t t[4];
	int seconds = argc > 1 ? atoi(argv[1]) : 1, wrong = 0;
	struct itimerval every = {{0, 200000}, {0, 200000}};
	struct sigaction sa = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
	time_t end = time(NULL) + seconds;
	sigaction(SIGALRM, &sa, NULL);
	for (long i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, worker, (void *)i);
	setitimer(ITIMER_REAL, &every, NULL);
	while (time(NULL) < end)
		usleep(100000);
	done = 1;
	for (int i = 0; i < 4; i++) {
		void *r;
		pthread_join(t[i], &r);
		wrong += r != NULL;
	}
	printf("%d wrong\n", wrong + (ticks == 0));
	return 0;
}
