/* cold: points that are executed once, each right after a call that takes long,
 * far into a slice of a second and more: where going back one instruction is
 * hardest. One point each in plain code, behind a REP instruction, in a library
 * function, in a signal handler, and in a second thread.
 *
 * usage: cold [MILLISECONDS of each slice, about]
 * flags: -O2 -fno-inline
 * args: 3
 * output: 5 points\n
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static long scale = 1000;
volatile uint64_t sink;
static int points;
static char from[1 << 16], to[1 << 16];
static sigjmp_buf out;

__attribute__((noinline)) void busy(long ms)
{
	uint64_t x = ms | 1;
	for (long i = 0; i < ms * 400000; i++)
		x = x * 6364136223846793005u + 1442695040888963407u;
	sink = x;
}

__attribute__((noinline)) void plain(void)
{
	busy(scale);
	points++; /* MARK plain */
}

__attribute__((noinline)) void rep(void)
{
	char *d = to, *s = from;
	long n = sizeof from;
	busy(scale);
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
	points++; /* MARK rep */
}

static int compare(const void *a, const void *b)
{
	busy(scale);
	return *(const int *)a - *(const int *)b; /* MARK library */
}

static void on_fault(int sig)
{
	busy(scale);
	points++; /* MARK handler */
	siglongjmp(out, 1);
}

static void *thread(void *arg)
{
	busy(scale);
	points++; /* MARK thread */
	return NULL;
}

int main(int argc, char **argv)
{
	int pair[2] = {2, 1};
	pthread_t t;
	if (argc > 1)
		scale = atol(argv[1]);
	plain();
	rep();
	qsort(pair, 2, sizeof pair[0], compare);
	points += pair[0] == 1;
	signal(SIGSEGV, on_fault);
	if (!sigsetjmp(out, 1))
		*(volatile int *)0 = 1;
	if (pthread_create(&t, NULL, thread, NULL))
		abort();
	pthread_join(t, NULL);
	printf("%d points\n", points);
	return points != 5;
}
