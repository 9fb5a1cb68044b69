/* mem_kin: a family over one piece of shared memory: children and a grandchild
 * that count under a lock, a child that the parent waits for by looking, one that
 * waits in epoll and is stopped and continued on the way, one that spawns another
 * program, and threads of the parent that take part.
 *
 * output: count 900, seen 42, polled 7, spawned 3, stopped 1\n
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static struct shared {
	pthread_mutex_t lock;
	pthread_cond_t turn;
	int count, seen, polled, spawned;
	volatile int ready, answer;
	char text[100000];
} *s;

static void count_up(int n)
{
	for (int i = 0; i < n; i++) {
		pthread_mutex_lock(&s->lock);
		s->count++;
		s->text[s->count * 37] ^= s->count;
		pthread_cond_broadcast(&s->turn);
		pthread_mutex_unlock(&s->lock);
	}
}

static void *counter(void *arg)
{
	count_up(150);
	return NULL;
}

static void in_child(int i)
{
	pthread_t t;
	count_up(150);
	if (i == 0) {
		pid_t pid = fork();
		if (!pid) {
			count_up(150);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	} else {
		pthread_create(&t, NULL, counter, NULL);
		pthread_join(t, NULL);
	}
	_exit(0);
}

int main(void)
{
	pthread_mutexattr_t ma;
	pthread_condattr_t ca;
	pthread_t threads[2];
	int stopped, status, ev;
	s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		return 1;
	pthread_mutexattr_init(&ma);
	pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&s->lock, &ma);
	pthread_condattr_init(&ca);
	pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED);
	pthread_cond_init(&s->turn, &ca);

	for (int i = 0; i < 2; i++)
		if (!fork())
			in_child(i);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, counter, NULL);
	pthread_mutex_lock(&s->lock);
	while (s->count < 900)
		pthread_cond_wait(&s->turn, &s->lock);
	pthread_mutex_unlock(&s->lock);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	while (wait(NULL) > 0)
		;

	/* Waited for by looking. */
	if (!fork()) {
		while (!s->ready)
			;
		for (volatile int i = 0; i < 10000000; i++)
			;
		s->seen = 42;
		s->answer = 1;
		_exit(0);
	}
	s->ready = 1;
	while (!s->answer)
		;
	wait(NULL);

	/* In epoll, while it is stopped and continued. */
	ev = eventfd(0, 0);
	s->ready = 0;
	pid_t pid = fork();
	if (!pid) {
		struct epoll_event e = {.events = EPOLLIN};
		int ep = epoll_create1(0);
		epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e);
		s->ready = 1;
		while (epoll_wait(ep, &e, 1, -1) != 1) /* EINTR when it is continued */
			s->polled++;
		s->polled = s->polled <= 1 ? 7 : -1;
		_exit(0);
	}
	while (!s->ready)
		usleep(1000);
	usleep(20000);
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	stopped = WIFSTOPPED(status);
	usleep(20000);
	kill(pid, SIGCONT);
	usleep(20000);
	eventfd_write(ev, 1);
	waitpid(pid, NULL, 0);

	/* One that spawns other programs. */
	if (!fork()) {
		for (int i = 0; i < 3; i++) {
			char *argv[] = {"true", NULL};
			pid_t p;
			if (posix_spawnp(&p, "true", NULL, NULL, argv, environ) == 0 && waitpid(p, &status, 0) == p && status == 0)
				s->spawned++;
		}
		_exit(0);
	}
	wait(NULL);
	printf("count %d, seen %d, polled %d, spawned %d, stopped %d\n", s->count, s->seen, s->polled, s->spawned, stopped);
	return 0;
}
