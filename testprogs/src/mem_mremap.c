/* mem_mremap: an array that grows by mremap, in place and by moving, shrinks,
 * is moved onto an old place, and is dropped page by page.
 *
 * output: 0 wrong\n
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE 4096

static int check(uint32_t *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		if (p[i * 1024] != i + 1)
			return 1;
	return 0;
}

int main(void)
{
	size_t n = 4;
	int wrong = 0;
	uint32_t *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < n; i++)
		p[i * 1024] = i + 1;
	for (; n < 2048; n *= 2) {
		p = mremap(p, n * PAGE, 2 * n * PAGE, MREMAP_MAYMOVE); /* MARK grow */
		if (p == MAP_FAILED)
			abort();
		for (size_t i = n; i < 2 * n; i++)
			p[i * 1024] = i + 1;
		wrong += check(p, 2 * n);
	}
	p = mremap(p, n * PAGE, n / 2 * PAGE, 0);
	wrong += check(p, n / 2);
	uint32_t *q = mmap(NULL, n * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p = mremap(p, n / 2 * PAGE, n / 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q);
	wrong += p != q || check(p, n / 2);
	for (size_t i = 0; i < n / 2; i += 3)
		madvise(p + i * 1024, PAGE, MADV_DONTNEED);
	for (size_t i = 0; i < n / 2; i++)
		wrong += p[i * 1024] != (i % 3 ? i + 1 : 0);
	printf("%d wrong\n", wrong);
	return wrong != 0;
}
