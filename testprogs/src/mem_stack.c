/* mem_stack: a stack that grows by several megabytes in steps of every size,
 * shrinks and grows again, in the main thread and in another.
 *
 * output: main 0 wrong, thread 0 wrong\n
 */
#include <alloca.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int deeper(int n, int step)
{
	char *p = alloca(step);
	memset(p, n, step);
	int wrong = n ? deeper(n - 1, step) : 0; /* MARK deeper */
	return wrong + (p[0] != (char)n) + (p[step - 1] != (char)n);
}

static int both(void) { return deeper(50, 20000) + deeper(2000, 700) + deeper(4, 500000); }

static void *thread(void *arg)
{
	*(int *)arg = both();
	return NULL;
}

int main(void)
{
	int a = both(), b = -1;
	pthread_t t;
	if (pthread_create(&t, NULL, thread, &b))
		abort();
	pthread_join(t, NULL);
	printf("main %d wrong, thread %d wrong\n", a, b);
	return a || b;
}
