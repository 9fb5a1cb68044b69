/* thr_compute: threads that only compute, for long stretches without a system
 * call, beside a main thread that counts how far they have come.
 *
 * usage: thr_compute [THREADS [MILLIONS]]
 * args: 4 3
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static long steps = 20000000;
static struct cell {
	volatile uint64_t progress;
	uint64_t result;
	char apart[112];
} cells[64];

static uint64_t collatz(uint64_t n)
{
	uint64_t len = 0;
	while (n != 1) {
		n = n & 1 ? 3 * n + 1 : n / 2;
		len++;
	}
	return len;
}

static void *compute(void *arg)
{
	struct cell *c = arg;
	uint64_t sum = 0, used = 0;
	for (uint64_t n = 1 + (c - cells); used < (uint64_t)steps; n++) {
		uint64_t l = collatz(n);
		used += l + 1;
		sum = sum * 31 + l;
		c->progress++;
	}
	c->result = sum;
	return NULL;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 4;
	if (argc > 2)
		steps = atol(argv[2]) * 1000000;
	if (n < 1 || n > 64)
		return 2;
	pthread_t t[64];
	for (int i = 0; i < n; i++)
		if (pthread_create(&t[i], NULL, compute, &cells[i]))
			abort();
	uint64_t seen = 0;
	for (int i = 0; i < 1000000; i++)
		seen += cells[i % n].progress != 0;
	int bad = 0;
	for (int i = 0; i < n; i++) {
		pthread_join(t[i], NULL);
		uint64_t got = cells[i].result;
		compute(&cells[i]);
		bad += got != cells[i].result;
	}
	printf("%d threads, %d wrong\n", n, bad);
	return bad != 0;
}
