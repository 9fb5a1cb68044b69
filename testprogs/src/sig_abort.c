/* sig_abort: an assertion fails, in a thread other than the first.
 *
 * signal: 6
 */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

static int balance = 100;

static void *spender(void *arg)
{
	for (int i = 1;; i++) {
		balance -= i; /* MARK spend */
		assert(balance >= 0);
	}
}

int main(void)
{
	pthread_t t;
	if (pthread_create(&t, NULL, spender, NULL))
		abort();
	pthread_join(t, NULL);
	return 0;
}
