/* thr_barrier: threads sum neighbouring cells step by step, with a barrier
 * between the steps: any thread running ahead spoils the result.
 *
 * usage: thr_barrier [THREADS [STEPS]]
 * args: 4 50
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX 64
static pthread_barrier_t barrier;
static int n = 4, steps = 100;
unsigned cells[2][MAX];

static void *cell(void *arg)
{
	int i = (int)(long)arg;
	for (int s = 0; s < steps; s++) {
		unsigned *from = cells[s & 1], *to = cells[!(s & 1)];
		to[i] = from[i] * 3 + from[(i + 1) % n] + from[(i + n - 1) % n];
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		n = atoi(argv[1]);
	if (argc > 2)
		steps = atoi(argv[2]);
	if (n < 1 || n > MAX)
		return 2;
	pthread_t t[MAX];
	pthread_barrier_init(&barrier, NULL, n);
	unsigned want[2][MAX];
	for (int i = 0; i < n; i++)
		cells[0][i] = want[0][i] = i + 1;
	for (long i = 0; i < n; i++)
		if (pthread_create(&t[i], NULL, cell, (void *)i))
			abort();
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);

	int bad = 0;
	for (int s = 0; s < steps; s++)
		for (int i = 0; i < n; i++)
			want[!(s & 1)][i] = want[s & 1][i] * 3 + want[s & 1][(i + 1) % n] + want[s & 1][(i + n - 1) % n];
	for (int i = 0; i < n; i++)
		bad += want[steps & 1][i] != cells[steps & 1][i];
	printf("%d threads, %d steps, %d cells wrong\n", n, steps, bad);
	return bad != 0;
}
