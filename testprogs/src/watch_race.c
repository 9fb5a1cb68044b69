/* watch_race: four threads draw from one balance without a mutex. Each looks
 * whether there is enough before it draws; now and then another draws in between,
 * and the balance falls below zero, for good.
 *
 * usage: watch_race [SEED]
 * args: 1
 * exit: 1
 * watch: balance >= 0
 */
#include "watch.h"
#include <pthread.h>
#include <time.h>

enum { THREADS = 4 };

volatile int balance;
static volatile int spent;

static void *draw(void *arg)
{
	struct timespec pause = {0, 50000};
	for (int i = 0; balance >= 0 && i < 100000; i++) {
		int n = 1 + rnd() % 20;
		if (balance >= n) {
			if (balance < 60) /* let the others look, too */
				nanosleep(&pause, NULL);
			balance -= n; /* MARK culprit */
			spent += n;
		} else if (balance >= 0) {
			balance += 300;
		}
	}
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t t[THREADS];
	seed(argc, argv);
	balance = 1000 + rnd() % 1000;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, draw, NULL))
			abort();
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (volatile int i = 0; i < 100000; i++)
		;
	return balance < 0;
}
