/* sig_timer: POSIX timers: one that signals the process with a value, one that
 * signals a certain thread, and one that starts a thread.
 *
 * flags: -lrt
 * output: value 42, thread hit, called 99\n
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static volatile sig_atomic_t value, hit_tid;
static int called;
static sem_t done;

static void on_value(int sig, siginfo_t *info, void *ctx) { value = info->si_value.sival_int; }
static void on_thread(int sig) { hit_tid = syscall(SYS_gettid); }
static void on_call(union sigval v) { called = v.sival_int; sem_post(&done); }

static timer_t start(struct sigevent *e)
{
	timer_t t;
	struct itimerspec it = {{0, 0}, {0, 20000000}};
	if (timer_create(CLOCK_MONOTONIC, e, &t) || timer_settime(t, 0, &it, NULL))
		abort();
	return t;
}

static void *target(void *arg)
{
	struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2};
	e.sigev_notify_thread_id = syscall(SYS_gettid);
	start(&e);
	while (!hit_tid)
		usleep(1000);
	return (void *)(long)(hit_tid == syscall(SYS_gettid));
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = on_value, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &sa, NULL);
	signal(SIGUSR2, on_thread);
	sem_init(&done, 0, 0);

	struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};
	timer_t t = start(&e);
	while (!value)
		usleep(1000);
	timer_delete(t);

	pthread_t th;
	void *right;
	if (pthread_create(&th, NULL, target, NULL) || pthread_join(th, &right))
		abort();

	memset(&e, 0, sizeof e);
	e.sigev_notify = SIGEV_THREAD;
	e.sigev_notify_function = on_call;
	e.sigev_value.sival_int = 99;
	t = start(&e);
	while (sem_wait(&done))
		;
	timer_delete(t);
	printf("value %d, thread %s, called %d\n", (int)value, right ? "hit" : "missed", called);
	return value != 42 || !right || called != 99;
}
