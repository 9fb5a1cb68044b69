/* sys_futex: futexes by the raw call: waiting and waking, requeueing, the
 * compound wake, priority inheritance, requeueing onto such a lock, waiting for
 * several, and what the kernel does to the locks of a thread that dies.
 *
 * output: futex ok\n
 */
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <time.h>

static uint32_t word, word2, pi, pi2, go;

static long futex(uint32_t *a, int op, uint32_t v, const void *t, uint32_t *b, uint32_t v3)
{
	return syscall(SYS_futex, a, op, v, t, b, v3);
}

/* Repeats a call that wakes or moves waiters until it has done so n times: the
 * waiters may come to the kernel late. */
#define UNTIL(n, call)                                                             \
	for (long got_ = 0; got_ < (n); usleep(1000))                              \
		got_ += OK(call)

static pthread_attr_t small;
static pthread_t start(void *(*f)(void *), void *arg)
{
	pthread_t t;
	CHECK(pthread_create(&t, &small, f, arg) == 0);
	return t;
}

static void *waiter(void *arg)
{
	futex(arg, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	return NULL;
}

static void *bits(void *arg)
{
	futex(arg, FUTEX_WAIT_BITSET, 0, NULL, NULL, 4);
	return NULL;
}

static void *pi_locker(void *arg)
{
	OK(futex(&pi, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	CHECK((pi & FUTEX_TID_MASK) == (uint32_t)syscall(SYS_gettid));
	OK(futex(&pi, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	return NULL;
}

static void *requeued(void *arg)
{
	long r = futex(&word, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &pi2, 0);
	CHECK(r == 0);
	CHECK((pi2 & FUTEX_TID_MASK) == (uint32_t)syscall(SYS_gettid));
	OK(futex(&pi2, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	return NULL;
}

static pthread_mutex_t robust, robust_pi;
static void *dies(void *arg)
{
	pthread_mutex_lock(&robust);
	pthread_mutex_lock(&robust_pi);
	return NULL;
}

struct waitv { uint64_t val, uaddr; uint32_t flags, reserved; };

static void *wait_many(void *arg)
{
	struct waitv v[2] = {{0, (uintptr_t)&word, 2, 0}, {0, (uintptr_t)&word2, 2, 0}};
	long r = syscall(449, v, 2, 0, NULL, 0);
	CHECK(r == 1 || errno == ENOSYS);
	__atomic_store_n(&go, 9, __ATOMIC_SEQ_CST);
	return NULL;
}

int main(void)
{
	OK(pthread_attr_init(&small));
	OK(pthread_attr_setstacksize(&small, 65536));
	pthread_t t, u;
	struct timespec ts = {0, 50000000};

	FAILS(EAGAIN, futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0));
	FAILS(ETIMEDOUT, futex(&word, FUTEX_WAIT, 0, &ts, NULL, 0));
	t = start(waiter, &word);
	UNTIL(1, futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	pthread_join(t, NULL);
	t = start(bits, &word);
	CHECK(OK(futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 3)) == 0);
	UNTIL(1, futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 4));
	pthread_join(t, NULL);

	t = start(waiter, &word);
	u = start(waiter, &word);
	UNTIL(1, futex(&word, FUTEX_REQUEUE_PRIVATE, 0, (void *)1, &word2, 0));
	UNTIL(1, futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)1, &word2, 0));
	CHECK(OK(futex(&word2, FUTEX_WAKE_PRIVATE, 5, NULL, NULL, 0)) == 2);
	pthread_join(t, NULL);
	pthread_join(u, NULL);

	t = start(waiter, &word);
	/* word2 = 5, then wake one of word and, if word2 was 0, one of word2. */
	UNTIL(1, futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &word2,
		FUTEX_OP(FUTEX_OP_SET, 5, FUTEX_OP_CMP_EQ, 0)));
	CHECK(word2 == 5);
	word2 = 0;
	pthread_join(t, NULL);

	OK(futex(&pi, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	t = start(pi_locker, NULL);
	while (!(__atomic_load_n(&pi, __ATOMIC_SEQ_CST) & FUTEX_WAITERS))
		usleep(1000);
	OK(futex(&pi, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	pthread_join(t, NULL);
	OK(futex(&pi, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	FAILS(EDEADLK, futex(&pi, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	OK(futex(&pi, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	FAILS(EPERM, futex(&pi, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));

	t = start(requeued, NULL);
	u = start(requeued, NULL);
	UNTIL(2, futex(&word, FUTEX_CMP_REQUEUE_PI, 1, (void *)5, &pi2, 0));
	pthread_join(t, NULL);
	pthread_join(u, NULL);

	t = start(wait_many, NULL);
	while (__atomic_load_n(&go, __ATOMIC_SEQ_CST) != 9) {
		OK(futex(&word2, FUTEX_WAKE, 1, NULL, NULL, 0));
		usleep(1000);
	}
	pthread_join(t, NULL);
	word2 = 0;
	MAY(syscall(454, &word, 1ul, 1, 2)); /* futex_wake */
	errno = 0;
	syscall(455, &word, 1ul, 1ul, 2, NULL, 0); /* futex_wait: another value */
	CHECK(errno == EAGAIN || errno == ENOSYS);

	pthread_mutexattr_t ma;
	OK(pthread_mutexattr_init(&ma));
	OK(pthread_mutexattr_setrobust(&ma, PTHREAD_MUTEX_ROBUST));
	OK(pthread_mutex_init(&robust, &ma));
	OK(pthread_mutexattr_setprotocol(&ma, PTHREAD_PRIO_INHERIT));
	OK(pthread_mutex_init(&robust_pi, &ma));
	t = start(dies, NULL);
	pthread_join(t, NULL);
	CHECK(pthread_mutex_lock(&robust) == EOWNERDEAD);
	CHECK(pthread_mutex_lock(&robust_pi) == EOWNERDEAD);
	puts("futex ok");
	return 0;
}
