/* thr_nested: threads that compute in nested loops, so that preemption counts
 * somewhere in the outer one, and now and then call a function that nothing else
 * leads to. It is looked for from the end of the program backwards.
 *
 * usage: thr_nested [ROUNDS]
 * args: 30000
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static int rounds = 30000;
static volatile int shared;
static int table[64];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static __attribute__((noinline)) void rare(int id, int i)
{
	shared = i * 4 + id;
}

static void *work(void *arg)
{
	int id = (int)(intptr_t)arg;
	uint64_t x = id + 1;
	for (int i = 0; i < rounds; i++) {
		for (int k = 0; k < 200; k++)
			x = x * 6364136223846793005u + 1442695040888963407u;
		if (i % 1000 == 0) {
			pthread_mutex_lock(&lock);
			table[x >> 58]++;
			pthread_mutex_unlock(&lock);
		}
		if (i % (rounds / 3) == rounds / 3 - 1)
			rare(id, i);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[4];
	if (argc > 1)
		rounds = atoi(argv[1]);
	for (intptr_t i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, work, (void *)i);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	int sum = 0;
	for (int i = 0; i < 64; i++)
		sum += table[i];
	printf("%d\n", sum);
	return 0;
}
