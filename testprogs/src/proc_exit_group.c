/* proc_exit_group: one thread ends the whole process while others compute, wait
 * on a lock and sleep.
 *
 * exit: 12
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *computes(void *arg) { for (volatile unsigned x = 0;; x++); }
static void *waits(void *arg) { pthread_mutex_lock(&lock); return NULL; }
static void *sleeps(void *arg) { for (;;) sleep(100); }
static void *ends(void *arg) { usleep(20000); exit(12); }

int main(void)
{
	void *(*f[])(void *) = {computes, waits, sleeps, ends};
	pthread_t t;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < 4; i++)
		if (pthread_create(&t, NULL, f[i], NULL))
			abort();
	pthread_join(t, NULL);
	return 1;
}
