/* mem_resident: as much resident memory as one asks for, changed here and there
 * while the program goes on making system calls.
 *
 * usage: mem_resident [MEGABYTES]
 * args: 64
 * output: 0 wrong\n
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	size_t mb = argc > 1 ? atol(argv[1]) : 64, n = mb << 20;
	unsigned char *p = malloc(n);
	long wrong = 0;
	if (!p)
		return 1;
	for (size_t i = 0; i < n; i += 4096)
		memset(p + i, (int)(i >> 12), 64);
	for (int round = 0; round < 20; round++) {
		for (size_t i = (size_t)round << 12; i < n; i += 97 << 12)
			p[i + 100] += round + 1;
		usleep(20000);
	}
	for (size_t i = 0; i < n; i += 4096)
		wrong += p[i] != (unsigned char)(i >> 12);
	printf("%ld wrong\n", wrong);
	return 0;
}
