/* thr_short: threads that come and go: created in waves, some detached, some
 * joined, some cancelled in a wait, each with thread-local data and clean-up.
 *
 * output: 40 or more cleaned up, 20 cancelled\n
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_key_t key;
static __thread int local;
static int cleaned, cancelled;
static sem_t gone, never;

static void clean(void *p)
{
	__atomic_fetch_add(&cleaned, *(int *)p == 7 && local == 3, __ATOMIC_SEQ_CST);
	free(p);
	sem_post(&gone);
}

static void setup(void)
{
	int *p = malloc(sizeof *p);
	*p = 7;
	local = 3;
	pthread_setspecific(key, p);
}

static void *brief(void *arg) { setup(); return arg; }
static void *waits(void *arg) { setup(); for (;;) sem_wait(&never); }

int main(void)
{
	pthread_key_create(&key, clean);
	sem_init(&gone, 0, 0);
	sem_init(&never, 0, 0);
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	for (int wave = 0; wave < 20; wave++) {
		pthread_t d, j, c;
		void *r;
		if (pthread_create(&d, &a, brief, NULL) || pthread_create(&j, NULL, brief, &j) ||
		    pthread_create(&c, NULL, waits, NULL))
			abort();
		if (pthread_join(j, &r) || r != &j)
			abort();
		pthread_cancel(c);
		pthread_join(c, &r);
		cancelled += r == PTHREAD_CANCELED;
	}
	/* A thread cancelled before it began has nothing to clean up. */
	for (int i = 0; i < 40; i++)
		sem_wait(&gone);
	printf("40 or more cleaned up, %d cancelled\n", cancelled);
	return cancelled != 20;
}
