/* sys_memory: mappings of every sort, moved, advised, locked, queried and
 * shared; memory policy; copying between processes; randomness.
 *
 * output: memory ok\n
 */
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define MB (1 << 20)

int main(void)
{
	char *m = mmap(NULL, MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(m != MAP_FAILED);
	memset(m, 1, MB);
	unsigned char vec[400];
	OK(mincore(m, MB, vec));
	CHECK(vec[255] & 1);
	OK(munmap(m + MB / 2, 4096));
	FAILS(ENOMEM, mincore(m, MB, vec));
	char *n = mremap(m, MB / 4, MB, MREMAP_MAYMOVE);
	CHECK(n != MAP_FAILED && n[MB / 4 - 1] == 1 && !n[MB / 4]);
	n = mremap(n, MB, 8192, 0);
	OK(mprotect(n, 4096, PROT_READ));
	OK(mprotect(n, 4096, PROT_READ | PROT_WRITE));
	for (int a = 0; a <= 25; a++)
		if (a != 9 && a != 4)
			madvise(n, 8192, a);
	n[0] = 5;
	OK(madvise(n, 8192, MADV_DONTNEED));
	CHECK(n[0] == 0);
	FAILS(EINVAL, madvise(n, 8192, 77));
	MAY(mlock(n, 8192));
	MAY(munlock(n, 8192));
	MAY(syscall(SYS_mlock2, n, 8192, 1));
	MAY(mlockall(MCL_CURRENT));
	OK(munlockall());
	char *top = sbrk(0);
	OK(sbrk(100000));
	memset(top, 3, 100000);
	OK(brk(top));

	int f = OK(memfd_create("shared", 0));
	OK(ftruncate(f, 8192));
	char *s = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, f, 0);
	CHECK(s != MAP_FAILED && p != MAP_FAILED);
	s[10] = 9;
	CHECK(p[10] == 9);
	OK(msync(s, 8192, MS_SYNC));
	OK(pwrite(f, "hello", 5, 4096));
	CHECK(!memcmp(s + 4096, "hello", 5));

	int mode;
	unsigned long nodes[16], node = 1;
	void *pages[3] = {s, n, (void *)0x1000};
	int status[3];
	MAY(syscall(SYS_get_mempolicy, &mode, nodes, sizeof nodes * 8, NULL, 0));
	MAY(syscall(SYS_get_mempolicy, &mode, nodes, 1024, n, 2));
	MAY(syscall(SYS_set_mempolicy, 0, NULL, 0));
	MAY(syscall(SYS_mbind, n, 8192, 0, NULL, 0, 0));
	MAY(syscall(SYS_move_pages, 0, 3, pages, NULL, status, 0));
	MAY(syscall(SYS_migrate_pages, 0, 64, &node, &node));
	MAY(syscall(450, n, 8192, 0, 0)); /* set_mempolicy_home_node */

	char a[100], b[100];
	memset(a, 'a', sizeof a);
	struct iovec l[2] = {{b, 30}, {b + 40, 60}}, r[1] = {{a, 90}};
	CHECK(OK(process_vm_readv(getpid(), l, 2, r, 1, 0)) == 90 && b[99] == 'a');
	memset(b, 'b', sizeof b);
	CHECK(OK(process_vm_writev(getpid(), l, 2, r, 1, 0)) == 90 && a[0] == 'b');
	pid_t pid = OK(fork());
	if (!pid) {
		a[50] = 'c';
		pause();
	}
	memset(b, 0, sizeof b);
	while (b[60] != 'c') { /* until the child has written it */
		CHECK(OK(process_vm_readv(pid, l, 2, r, 1, 0)) == 90);
		usleep(1000);
	}
	l[0].iov_base = a;
	r[0].iov_base = b;
	CHECK(OK(process_vm_writev(pid, l, 2, r, 1, 0)) == 90);
	OK(kill(pid, 9));
	OK(waitpid(pid, NULL, 0));

	CHECK(OK(getrandom(a, 50, 0)) == 50);
	CHECK(OK(getrandom(a, 5, GRND_NONBLOCK)) == 5);
	FAILS(EFAULT, syscall(SYS_getrandom, 8, 10, 0));
	OK(munmap(s, 8192));
	puts("memory ok");
	return 0;
}
