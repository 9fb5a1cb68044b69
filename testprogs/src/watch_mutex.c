/* watch_mutex: four threads move money between accounts under a mutex. One of
 * them, once, credits a thousand too many.
 *
 * usage: watch_mutex [SEED]
 * args: 1
 * exit: 1
 * watch: sum() == 8000
 */
#include "watch.h"
#include <pthread.h>

enum { ACCOUNTS = 8, THREADS = 4, MOVES = 2000 };

long account[ACCOUNTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long moves, bad;

long sum(void)
{
	long s = 0;
	for (int i = 0; i < ACCOUNTS; i++)
		s += account[i];
	return s;
}

static void *worker(void *arg)
{
	for (int i = 0; i < MOVES; i++) {
		pthread_mutex_lock(&lock);
		int from = rnd() % ACCOUNTS, to = rnd() % ACCOUNTS, n = rnd() % 10;
		account[from] -= n;
		account[to] += n;
		if (moves++ == bad)
			account[to] += 1000; /* MARK culprit */
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t t[THREADS];
	seed(argc, argv);
	bad = moment(THREADS * MOVES);
	for (int i = 0; i < ACCOUNTS; i++)
		account[i] = 1000;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, worker, NULL))
			abort();
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	return sum() != 8000;
}
