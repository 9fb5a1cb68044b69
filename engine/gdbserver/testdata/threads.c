/* Two threads that take turns without ever blocking in a system call, a
   thread-local variable each, and a signal with a handler. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

__thread int mine = 5;
__thread long other[3] = { 1, 2, 3 };
volatile int ready, done, caught;
int total;

static void on_usr1(int sig)
{
	caught += sig;
}

static void *worker(void *arg)
{
	mine = 40 + *(int *)arg;
	ready = 1;
	for (int i = 0; i < 5; i++) {
		total += mine;
		other[1] = total;
	}
	done = 1;
	for (;;)
		;
	return 0;
}

int main(void)
{
	pthread_t t;
	int n = 2;
	signal(SIGUSR1, on_usr1);
	mine = 7;
	pthread_create(&t, 0, worker, &n);
	while (!ready)
		;
	while (!done)
		mine++;
	kill(getpid(), SIGUSR1);
	total = caught;
	_exit(total & 0xf);
}
