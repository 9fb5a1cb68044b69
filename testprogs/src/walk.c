/* walk: one of everything that makes a position awkward: code that runs once,
 * right after a long call, inside library functions, in a signal handler, in
 * two threads, at repeated string instructions, in recursion and in a loop.
 * Made for walking back and forth in; ends the same way every time.
 *
 * usage: walk [MILLIONS]
 * args: 2
 * output: walked 1 2 3 4 5 6 7\n
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long millions = 20;
static int trail[16];
static volatile int steps; /* the handler counts too */
volatile uint64_t state = 1;
static char text[70000];

static void mark(int n)
{
	trail[steps++] = n;
}

/* Takes about 3 ms a million. */
static uint64_t long_call(void)
{
	for (long i = 0; i < millions * 1000000; i++)
		state = state * 6364136223846793005u + 1442695040888963407u; /* MARK loop */
	return state;
}

static int recurse(int n)
{
	if (n == 0)
		return 1; /* MARK bottom */
	int below = recurse(n - 1);
	return below + n; /* MARK unwinding */
}

static void on_signal(int sig)
{
	mark(3); /* MARK handler */
}

static void *thread(void *arg)
{
	uint64_t x = long_call();
	mark(6); /* MARK thread */
	return (void *)(uintptr_t)(x & 1);
}

static int compare(const void *a, const void *b)
{
	return *(const char *)a - *(const char *)b;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		millions = atol(argv[1]);
	mark(1); /* MARK once */
	uint64_t x = long_call();
	mark(2); /* MARK after_long_call */
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	mark(4); /* MARK after_signal */
	memset(text, 'a' + (x & 7), sizeof text); /* MARK library */
	void *d = text;
	unsigned long n = 65536;
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"('z') : "memory"); /* MARK rep */
	char few[] = "reversible";
	qsort(few, 10, 1, compare);
	if (recurse(20) != 211 || strcmp(few, "beeeilrrsv"))
		return 2;
	mark(5);
	pthread_t t;
	if (pthread_create(&t, NULL, thread, NULL))
		abort();
	pthread_join(t, NULL);
	mark(7); /* MARK joined */
	printf("walked");
	for (int i = 0; i < steps; i++)
		printf(" %d", trail[i]);
	printf("\n");
	return steps != 7;
}
