/* thr_many: 200 threads at once, all waiting at one gate, then each adding its
 * number to a sum.
 *
 * usage: thr_many [THREADS]
 * output: 200 threads, sum 19900\n
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate = PTHREAD_COND_INITIALIZER;
static int open_, waiting;
long sum;

static void *visitor(void *arg)
{
	pthread_mutex_lock(&lock);
	waiting++;
	while (!open_)
		pthread_cond_wait(&gate, &lock);
	sum += (long)arg;
	pthread_mutex_unlock(&lock);
	return NULL;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 200;
	pthread_t *t = calloc(n, sizeof *t);
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 65536);
	for (long i = 0; i < n; i++)
		if (pthread_create(&t[i], &a, visitor, (void *)i)) {
			perror("pthread_create");
			return 1;
		}
	pthread_mutex_lock(&lock);
	open_ = 1;
	pthread_cond_broadcast(&gate);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	printf("%d threads, sum %ld\n", n, sum);
	return sum != (long)n * (n - 1) / 2;
}
