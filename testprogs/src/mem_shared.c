/* mem_shared: a parent and its child take turns over memory that they share.
 *
 * output: 100 turns\n
 */
#define _GNU_SOURCE
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
	sem_t parent, child;
	int turns;
};

int main(void)
{
	struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED || sem_init(&s->parent, 1, 1) || sem_init(&s->child, 1, 0))
		abort();
	pid_t pid = fork();
	if (pid < 0)
		abort();
	for (int i = 0; i < 50; i++) {
		sem_wait(pid ? &s->parent : &s->child);
		s->turns++;
		sem_post(pid ? &s->child : &s->parent);
	}
	if (!pid)
		_exit(0);
	wait(NULL);
	printf("%d turns\n", s->turns);
	return s->turns != 100;
}
