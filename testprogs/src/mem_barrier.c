/* mem_barrier: a write barrier as garbage collectors have it: pages are made
 * read-only, the handler of the resulting fault notes the page and makes it
 * writable again. Several threads write.
 *
 * output: 64 pages, 64 noted, 0 wrong\n
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGES 64
static char *heap;
static int dirty[PAGES];

static void on_fault(int sig, siginfo_t *info, void *ctx)
{
	uintptr_t off = (char *)info->si_addr - heap;
	if (off >= PAGES * 4096)
		abort();
	dirty[off / 4096] = 1; /* MARK note */
	if (mprotect(heap + (off & ~4095ul), 4096, PROT_READ | PROT_WRITE))
		abort();
}

static void *writer(void *arg)
{
	long me = (long)arg;
	for (int i = 0; i < PAGES; i++)
		heap[i * 4096 + me * 8] = i + me; /* MARK write */
	return NULL;
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	sigaction(SIGSEGV, &sa, NULL);
	heap = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int noted = 0, wrong = 0;
	for (int round = 0; round < 3; round++) {
		pthread_t t[3];
		noted = 0;
		for (int i = 0; i < PAGES; i++)
			dirty[i] = 0;
		if (mprotect(heap, PAGES * 4096, PROT_READ))
			abort();
		for (long i = 0; i < 3; i++)
			if (pthread_create(&t[i], NULL, writer, (void *)i))
				abort();
		for (int i = 0; i < 3; i++)
			pthread_join(t[i], NULL);
		for (int i = 0; i < PAGES; i++) {
			noted += dirty[i];
			for (int k = 0; k < 3; k++)
				wrong += heap[i * 4096 + k * 8] != i + k;
		}
	}
	printf("%d pages, %d noted, %d wrong\n", PAGES, noted, wrong);
	return noted != PAGES || wrong;
}
