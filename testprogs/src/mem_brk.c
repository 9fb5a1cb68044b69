/* mem_brk: the break moved up and down by hand beside malloc: what comes back
 * after it went down must be zero.
 *
 * output: 0 wrong\n
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
	int wrong = 0;
	for (int i = 0; i < 20; i++) {
		size_t n = 5000 + i * 9001;
		char *p = sbrk(n);
		if (p == (void *)-1)
			abort();
		for (size_t k = 0; k < n; k += 512)
			wrong += i > 0 && (size_t)(p + k) % 4096 == 0 && p[k] != 0;
		memset(p, 0xee, n);
		wrong += sbrk(0) != (void *)(p + n);
		if (brk((void *)(((size_t)p + 4095) & ~4095ul)))
			abort();
		wrong += sbrk(0) < (void *)p;
		char *q = malloc(100 + i * 3000);
		memset(q, i, 100);
		wrong += q[99] != i;
		if (i % 2)
			free(q);
	}
	printf("%d wrong\n", wrong);
	return wrong != 0;
}
