/* sys_pipes: pipes and what moves data without copying it through the program:
 * splice, tee, vmsplice, sendfile, copy_file_range; memfds and their seals.
 *
 * output: pipes ok\n
 */
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

int main(void)
{
	int p[2], q[2], n;
	char buf[70000];
	OK(syscall(SYS_pipe, p));
	OK(pipe2(q, O_NONBLOCK | O_CLOEXEC));
	FAILS(EAGAIN, read(q[0], buf, sizeof buf));
	OK(fcntl(p[0], F_SETPIPE_SZ, 1 << 17));
	CHECK(OK(fcntl(p[0], F_GETPIPE_SZ)) == 1 << 17);
	memset(buf, 'a', sizeof buf);
	CHECK(OK(write(p[1], buf, 30000)) == 30000);
	OK(ioctl(p[0], FIONREAD, &n));
	CHECK(n == 30000);
	CHECK(OK(tee(p[0], q[1], 20000, 0)) == 20000);
	memset(buf, 0, sizeof buf);
	CHECK(OK(read(q[0], buf, sizeof buf)) == 20000 && buf[19999] == 'a' && !buf[20000]);
	CHECK(OK(read(p[0], buf, sizeof buf)) == 30000);

	int f = OK(memfd_create("f", MFD_ALLOW_SEALING)), g = OK(memfd_create("g", 0));
	CHECK(OK(write(f, buf, 30000)) == 30000);
	loff_t a = 100, b = 7;
	CHECK(OK(splice(f, &a, p[1], NULL, 5000, 0)) == 5000 && a == 5100);
	CHECK(OK(splice(p[0], NULL, g, &b, 5000, 0)) == 5000 && b == 5007);
	off_t o = 50;
	CHECK(OK(sendfile(g, f, &o, 1000)) == 1000 && o == 1050);
	OK(lseek(f, 0, SEEK_SET));
	CHECK(OK(sendfile(p[1], f, NULL, 300)) == 300);
	a = 0, b = 0;
	CHECK(OK(copy_file_range(f, &a, g, &b, 4000, 0)) == 4000 && a == 4000 && b == 4000);

	struct iovec v[2] = {{buf, 100}, {buf + 200, 100}};
	CHECK(OK(vmsplice(p[1], v, 2, 0)) == 200);
	v[0].iov_len = 450;
	memset(buf, 'z', 900);
	CHECK(OK(vmsplice(p[0], v, 2, 0)) == 500); /* the other direction: reads */
	CHECK(buf[0] == 'a');

	OK(ftruncate(f, 8192));
	OK(fcntl(f, F_ADD_SEALS, F_SEAL_GROW));
	CHECK(OK(fcntl(f, F_GET_SEALS)) == F_SEAL_GROW);
	FAILS(EPERM, ftruncate(f, 10000));

	/* A read that ends in an unmapped page. */
	char *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	OK(munmap(two + 4096, 4096));
	OK(lseek(f, 0, SEEK_SET));
	CHECK(OK(read(f, two + 4000, 2000)) == 96);
	FAILS(EFAULT, read(f, two + 4096, 2000));
	v[0] = (struct iovec){two + 4000, 500};
	OK(lseek(f, 0, SEEK_SET));
	CHECK(OK(readv(f, v, 2)) == 96);
	CHECK(OK(write(p[1], buf, 500)) == 500);
	FAILS(EFAULT, read(p[0], two + 4000, 500)); /* after copying 96 bytes */

	signal(SIGPIPE, SIG_IGN);
	OK(close(p[0]));
	FAILS(EPIPE, write(p[1], buf, 1));
	OK(close(p[1]));
	puts("pipes ok");
	return 0;
}
