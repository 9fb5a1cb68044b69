/* mem_files: files mapped privately and shared, written through the mapping and
 * through descriptors, cut off and grown again, mapped twice, unlinked while
 * mapped.
 *
 * output: 0 wrong\n
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define N 40000

static int fd;
static char *map(int flags)
{
	char *p = mmap(NULL, N, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (p == MAP_FAILED)
		abort();
	return p;
}

int main(void)
{
	int wrong = 0;
	char name[] = "mem_files-XXXXXX", buf[100];
	fd = mkstemp(name);
	if (fd < 0 || ftruncate(fd, N))
		abort();
	char *s = map(MAP_SHARED), *s2 = map(MAP_SHARED), *p = map(MAP_PRIVATE);
	strcpy(s + 5000, "through the mapping"); /* MARK store */
	wrong += strcmp(s2 + 5000, s + 5000) || strcmp(p + 5000, s + 5000);
	wrong += pread(fd, buf, 20, 5000) != 20 || strcmp(buf, "through the mapping");
	wrong += pwrite(fd, "by write", 9, 9000) != 9; /* MARK pwrite */
	wrong += strcmp(s + 9000, "by write") || strcmp(p + 9000, "by write");
	strcpy(p + 9000, "private");
	wrong += strcmp(s + 9000, "by write") != 0;
	wrong += pread(fd, s + 20000, 20, 5000) != 20; /* from the file into itself */
	wrong += strcmp(s2 + 20000, "through the mapping") != 0;
	wrong += msync(s, N, MS_SYNC) != 0;
	wrong += ftruncate(fd, 6000) || ftruncate(fd, N); /* MARK cut */
	wrong += s[9000] || s2[20000] || strcmp(s + 5000, "through the mapping") != 0;
	wrong += unlink(name) != 0;
	close(fd);
	s[30000] = 1;
	wrong += s2[30000] != 1;
	munmap(s, N);
	s2[30001] = 2;
	wrong += s2[30000] != 1;
	printf("%d wrong\n", wrong);
	return wrong != 0;
}
