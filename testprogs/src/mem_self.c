/* mem_self: changes its own memory by writing /proc/self/mem: data, at a position and
 * at the file's own, in pieces, and a page that it may only read.
 *
 * output: 11 22 33 44 55\n
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

static volatile int word[4];
static const volatile int fixed = 5;

int main(void)
{
	int v[] = {11, 22, 33, 44, 55};
	int fd = open("/proc/self/mem", O_RDWR);
	struct iovec io[] = {{&v[2], 4}, {&v[3], 4}};
	if (pwrite(fd, &v[0], 4, (intptr_t)&word[0]) != 4 ||
	    lseek(fd, (intptr_t)&word[1], SEEK_SET) < 0 || write(fd, &v[1], 4) != 4 ||
	    writev(fd, io, 2) != 8 || pwrite(fd, &v[4], 4, (intptr_t)&fixed) != 4)
		return 1;
	printf("%d %d %d %d %d\n", word[0], word[1], word[2], word[3], fixed);
	return 0;
}
