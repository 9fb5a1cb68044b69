/* thr_workers: a queue of jobs for N workers, who compute and add to a total
 * under a lock. The total does not depend on who did which job.
 *
 * usage: thr_workers [WORKERS [JOBS]]
 * args: 8 200
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
static int queue[16], head, count;
static int closed;
uint64_t total;
long done;

static uint64_t work(int job)
{
	uint64_t x = job + 1;
	for (int i = 0; i < 20000; i++)
		x = x * 6364136223846793005u + 1442695040888963407u;
	return x >> 32;
}

static void *worker(void *arg)
{
	for (;;) {
		pthread_mutex_lock(&lock);
		while (!count && !closed)
			pthread_cond_wait(&not_empty, &lock);
		if (!count) {
			pthread_mutex_unlock(&lock);
			return NULL;
		}
		int job = queue[head];
		head = (head + 1) % 16;
		count--;
		pthread_cond_signal(&not_full);
		pthread_mutex_unlock(&lock);
		uint64_t r = work(job);
		pthread_mutex_lock(&lock);
		total += r;
		done++;
		pthread_mutex_unlock(&lock);
	}
}

int main(int argc, char **argv)
{
	int workers = argc > 1 ? atoi(argv[1]) : 4, jobs = argc > 2 ? atoi(argv[2]) : 400;
	pthread_t t[64];
	if (workers < 1 || workers > 64)
		return 2;
	for (int i = 0; i < workers; i++)
		if (pthread_create(&t[i], NULL, worker, NULL))
			abort();
	uint64_t want = 0;
	for (int j = 0; j < jobs; j++) {
		pthread_mutex_lock(&lock);
		while (count == 16)
			pthread_cond_wait(&not_full, &lock);
		queue[(head + count++) % 16] = j;
		pthread_cond_signal(&not_empty);
		pthread_mutex_unlock(&lock);
		want += work(j);
	}
	pthread_mutex_lock(&lock);
	closed = 1;
	pthread_cond_broadcast(&not_empty);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < workers; i++)
		pthread_join(t[i], NULL);
	printf("%ld jobs, total %llx, wanted %llx\n", done, (unsigned long long)total, (unsigned long long)want);
	return total != want || done != jobs;
}
