/* thr_race: a counter that two threads increment without a lock. Whether
 * updates are lost depends on when the threads are switched; the program ends
 * well either way and prints what it got.
 *
 * usage: thr_race [INCREMENTS]
 * args: 20000
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static long n = 100000;
volatile long counter;

static void *increment(void *arg)
{
	for (long i = 0; i < n; i++)
		counter++; /* MARK race */
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[2];
	if (argc > 1)
		n = atol(argv[1]);
	for (int i = 0; i < 2; i++)
		if (pthread_create(&t[i], NULL, increment, NULL))
			abort();
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	printf("%ld of %ld, %ld lost\n", counter, 2 * n, 2 * n - counter);
	return counter > 2 * n || counter < 2;
}
