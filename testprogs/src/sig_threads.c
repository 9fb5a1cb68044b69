/* sig_threads: signals between threads: to one that computes, one that waits in
 * a system call, and one that takes them with sigwait.
 *
 * output: computing 10, waiting 10, sigwait 10\n
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static __thread int *mine;
static int computing, waiting, taken;
static volatile int stop;

static void handler(int sig)
{
	__atomic_fetch_add(mine, 1, __ATOMIC_SEQ_CST); /* MARK handler */
}

static void *computes(void *arg)
{
	mine = &computing;
	*(volatile int *)arg = 1;
	volatile unsigned long x = 1;
	while (!stop)
		x = x * 69069 + 1;
	return NULL;
}

static void *waits(void *arg)
{
	mine = &waiting;
	*(volatile int *)arg = 1;
	while (!stop)
		usleep(1000000);
	return NULL;
}

static void *takes(void *arg)
{
	sigset_t set;
	int sig;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	*(volatile int *)arg = 1;
	while (taken < 10) {
		if (sigwait(&set, &sig) || sig != SIGUSR2)
			abort();
		__atomic_fetch_add(&taken, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void send(pthread_t t, int sig, int *count)
{
	for (int i = 0; i < 10; i++) {
		pthread_kill(t, sig);
		while (__atomic_load_n(count, __ATOMIC_SEQ_CST) <= i)
			usleep(200);
	}
}

int main(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	struct sigaction sa = {.sa_handler = handler};
	sigaction(SIGUSR1, &sa, NULL);
	volatile int ready[3] = {0};
	pthread_t t[3];
	if (pthread_create(&t[0], NULL, computes, (void *)&ready[0]) ||
	    pthread_create(&t[1], NULL, waits, (void *)&ready[1]) ||
	    pthread_create(&t[2], NULL, takes, (void *)&ready[2]))
		abort();
	while (!ready[0] || !ready[1] || !ready[2])
		usleep(200);
	send(t[0], SIGUSR1, &computing);
	send(t[1], SIGUSR1, &waiting);
	send(t[2], SIGUSR2, &taken);
	stop = 1;
	pthread_kill(t[1], SIGUSR1);
	pthread_join(t[0], NULL);
	pthread_join(t[2], NULL);
	printf("computing %d, waiting %d, sigwait %d\n", computing, waiting > 10 ? 10 : waiting, taken);
	return computing != 10 || waiting < 10 || taken != 10;
}
