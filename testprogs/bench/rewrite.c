/* rewrite: keeps rewriting all of its memory, the worst case for copy-on-write
 * checkpoints.
 *
 * usage: rewrite [MB [PASSES]]
 * flags: -O2
 * args: 2 3
 * output: 2 MB, 3 passes, 1967136\n
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	size_t mb = argc > 1 ? strtoul(argv[1], NULL, 0) : 100;
	long passes = argc > 2 ? atol(argv[2]) : 100;
	size_t n = (mb << 20) / sizeof(uint64_t);
	uint64_t *p = malloc(n * sizeof *p), sum = 0;
	if (!p)
		return 2;
	for (long pass = 0; pass < passes; pass++)
		for (size_t i = 0; i < n; i++)
			p[i] = i + pass;
	for (size_t i = 0; i < n; i += 4096 / sizeof *p)
		sum += p[i] & 7;
	for (size_t i = 0; i < n; i += n / 16)
		sum += p[i];
	printf("%zu MB, %ld passes, %llu\n", mb, passes, (unsigned long long)sum);
	free(p);
	return 0;
}
