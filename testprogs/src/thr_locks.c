/* thr_locks: every kind of lock that pthreads have, under contention: plain,
 * recursive, robust and priority-inheriting mutexes, reader-writer and spin
 * locks, semaphores, and a timed wait that times out.
 *
 * output: 8 locks, 0 wrong\n
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define THREADS 4
#define ROUNDS 200

static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER, recursive, robust, inherit;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static sem_t sem;
static pthread_mutex_t errorcheck;
long count[8];

static void *user(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&plain), count[0]++, pthread_mutex_unlock(&plain);
		pthread_mutex_lock(&recursive), pthread_mutex_lock(&recursive), count[1]++;
		pthread_mutex_unlock(&recursive), pthread_mutex_unlock(&recursive);
		pthread_mutex_lock(&robust), count[2]++, pthread_mutex_unlock(&robust);
		pthread_mutex_lock(&inherit), count[3]++, pthread_mutex_unlock(&inherit);
		pthread_rwlock_rdlock(&rw), pthread_rwlock_unlock(&rw);
		pthread_rwlock_wrlock(&rw), count[4]++, pthread_rwlock_unlock(&rw);
		pthread_spin_lock(&spin), count[5]++, pthread_spin_unlock(&spin);
		sem_wait(&sem), count[6]++, sem_post(&sem);
		pthread_mutex_lock(&errorcheck), count[7]++, pthread_mutex_unlock(&errorcheck);
	}
	return NULL;
}

int main(void)
{
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&recursive, &a);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&errorcheck, &a);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_NORMAL);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_STALLED);
	pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&inherit, &a);
	pthread_spin_init(&spin, 0);
	sem_init(&sem, 0, 1);

	pthread_t t[THREADS];
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, user, NULL))
			abort();
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	int wrong = 0;
	for (int i = 0; i < 8; i++)
		wrong += count[i] != THREADS * ROUNDS;

	pthread_cond_t c = PTHREAD_COND_INITIALIZER;
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 20000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_sec++, ts.tv_nsec -= 1000000000;
	pthread_mutex_lock(&plain);
	wrong += pthread_cond_timedwait(&c, &plain, &ts) != ETIMEDOUT;
	pthread_mutex_unlock(&plain);
	printf("8 locks, %d wrong\n", wrong);
	return wrong != 0;
}
