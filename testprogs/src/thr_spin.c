/* thr_spin: threads that wait for each other by looking at memory in a loop,
 * without any system call. They only get on if the waiting one is preempted.
 *
 * usage: thr_spin [ROUNDS]
 * args: 20
 * output: 20 rounds, passed by 0\n
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static long rounds = 20;
volatile long baton; /* even: the first thread's, odd: the second's */
static long passed_wrongly;

static void *runner(void *arg)
{
	long me = (long)arg;
	for (long i = 0; i < rounds; i++) {
		while (__atomic_load_n(&baton, __ATOMIC_ACQUIRE) != 2 * i + me)
			; /* MARK spin */
		if (baton != 2 * i + me)
			__atomic_fetch_add(&passed_wrongly, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&baton, 2 * i + me + 1, __ATOMIC_RELEASE); /* MARK pass */
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t;
	if (argc > 1)
		rounds = atol(argv[1]);
	if (pthread_create(&t, NULL, runner, (void *)1))
		abort();
	runner(NULL);
	pthread_join(t, NULL);
	printf("%ld rounds, passed by %ld\n", baton / 2, passed_wrongly);
	return baton != 2 * rounds || passed_wrongly;
}
