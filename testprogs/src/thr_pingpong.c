/* thr_pingpong: two threads hand a turn to each other through a mutex and a
 * condition variable.
 *
 * usage: thr_pingpong [ROUNDS]
 * args: 500
 * output: 1000 turns\n
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long rounds = 1000;
int turn;   /* whose turn it is */
long turns; /* taken so far */

static void take_turn(int me)
{
	pthread_mutex_lock(&lock);
	while (turn != me)
		pthread_cond_wait(&changed, &lock);
	turns++; /* MARK turn */
	turn = !me;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}

static void *player(void *arg)
{
	for (long i = 0; i < rounds; i++)
		take_turn((int)(long)arg);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[2];
	if (argc > 1)
		rounds = atol(argv[1]);
	for (long i = 0; i < 2; i++)
		if (pthread_create(&t[i], NULL, player, (void *)i))
			abort();
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	printf("%ld turns\n", turns);
	return turns != 2 * rounds;
}
