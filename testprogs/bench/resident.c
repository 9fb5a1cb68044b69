/* resident: holds MB megabytes, all touched, and THREADS threads, of which all
 * but the first sleep. Then it calls here() COUNT times, a page written before
 * each: the points to make checkpoints at.
 *
 * usage: resident [MB [THREADS [COUNT]]]
 * flags: -O2
 * args: 2 3 4
 * output: 4 times here\n
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t over = PTHREAD_COND_INITIALIZER, ready = PTHREAD_COND_INITIALIZER;
static int done, sleeping;
volatile long times;

__attribute__((noinline)) void here(void)
{
	times++;
}

static void *sleeper(void *arg)
{
	pthread_mutex_lock(&lock);
	sleeping++;
	pthread_cond_signal(&ready);
	while (!done)
		pthread_cond_wait(&over, &lock);
	pthread_mutex_unlock(&lock);
	return NULL;
}

int main(int argc, char **argv)
{
	size_t mb = argc > 1 ? strtoul(argv[1], NULL, 0) : 100;
	int threads = argc > 2 ? atoi(argv[2]) : 1;
	long count = argc > 3 ? atol(argv[3]) : 100;
	volatile char *p = malloc(mb << 20);
	pthread_t t[64];
	if (!p || threads < 1 || threads > 64)
		return 2;
	memset((char *)p, 1, mb << 20);
	for (int i = 1; i < threads; i++)
		if (pthread_create(&t[i], NULL, sleeper, NULL))
			abort();
	pthread_mutex_lock(&lock);
	while (sleeping < threads - 1)
		pthread_cond_wait(&ready, &lock);
	pthread_mutex_unlock(&lock);
	for (long i = 0; i < count; i++) {
		p[(size_t)i * 4096 % (mb << 20)]++;
		here();
	}
	pthread_mutex_lock(&lock);
	done = 1;
	pthread_cond_broadcast(&over);
	pthread_mutex_unlock(&lock);
	for (int i = 1; i < threads; i++)
		pthread_join(t[i], NULL);
	printf("%ld times here\n", times);
	return 0;
}
