/* sys_files: files, directories, links, times, attributes and locks, by the
 * plain calls and their vectored, positioned and *at forms. Runs in the
 * directory it is started in and removes what it made.
 *
 * output: files ok\n
 */
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <utime.h>

static char buf[8192];

static void reading_and_writing(void)
{
	int fd = OK(open("f", O_RDWR | O_CREAT | O_TRUNC, 0600));
	for (int i = 0; i < (int)sizeof buf; i++)
		buf[i] = i * 7;
	CHECK(OK(write(fd, buf, 5000)) == 5000);
	struct iovec w[3] = {{buf, 10}, {buf + 100, 0}, {buf + 50, 200}};
	CHECK(OK(writev(fd, w, 3)) == 210);
	CHECK(OK(pwrite(fd, "hello", 5, 4990)) == 5);
	CHECK(OK(pwritev(fd, w, 3, 6000)) == 210);
	MAY(pwritev2(fd, w, 3, 7000, RWF_HIPRI));

	CHECK(OK(lseek(fd, 0, SEEK_SET)) == 0);
	char a[300], b[301], c[77];
	CHECK(OK(read(fd, a, sizeof a)) == sizeof a);
	struct iovec r[4] = {{a, sizeof a}, {NULL, 0}, {b, sizeof b}, {c, sizeof c}};
	CHECK(OK(readv(fd, r, 4)) == sizeof a + sizeof b + sizeof c);
	CHECK(OK(pread(fd, a, 10, 4990)) == 10 && !memcmp(a, "hello", 5));
	CHECK(OK(preadv(fd, r, 4, 4900)) == sizeof a + sizeof b + sizeof c);
	CHECK(OK(preadv2(fd, r, 4, 100, 0)) == sizeof a + sizeof b + sizeof c);
	CHECK(OK(pread(fd, buf, sizeof buf, 1 << 20)) == 0);
	CHECK(OK(lseek(fd, 0, SEEK_DATA)) == 0);
	CHECK(OK(lseek(fd, 0, SEEK_HOLE)) >= 5000);
	FAILS(EFAULT, pread(fd, (void *)8, 100, 0));
	FAILS(EBADF, read(-1, a, 10));
	FAILS(EINVAL, readv(fd, r, 4000));

	OK(ftruncate(fd, 10000));
	OK(fallocate(fd, 0, 0, 12000));
	MAY(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 4096));
	OK(fsync(fd));
	OK(fdatasync(fd));
	OK(syncfs(fd));
	OK(sync_file_range(fd, 0, 4096, SYNC_FILE_RANGE_WRITE));
	OK(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM));
	OK(readahead(fd, 0, 4096));
	OK(close(fd));

	/* Direct reads write whole blocks. */
	char *block = aligned_alloc(4096, 8192);
	fd = OK(open("d", O_RDWR | O_CREAT | O_TRUNC, 0600));
	memset(block, 'x', 8192);
	CHECK(OK(write(fd, block, 5000)) == 5000);
	OK(fsync(fd));
	OK(close(fd));
	if ((fd = MAY(open("d", O_RDONLY | O_DIRECT))) >= 0) {
		memset(block, 'y', 8192);
		CHECK(OK(read(fd, block, 8192)) == 5000);
		CHECK(block[4999] == 'x');
		OK(close(fd));
	}
	free(block);
	OK(unlink("d"));
}

static void metadata(void)
{
	struct stat st;
	struct statx sx;
	struct statfs sf;
	int fd = OK(open("f", O_RDWR));
	OK(syscall(SYS_stat, "f", &st));
	OK(syscall(SYS_lstat, "f", &st));
	OK(syscall(SYS_fstat, fd, &st));
	OK(fstatat(AT_FDCWD, "f", &st, 0));
	CHECK(S_ISREG(st.st_mode) && st.st_size == 12000);
	FAILS(ENOENT, stat("nothing", &st));
	OK(statx(AT_FDCWD, "f", 0, STATX_ALL, &sx));
	CHECK(sx.stx_size == 12000);
	OK(statfs(".", &sf));
	OK(fstatfs(fd, &sf));
	struct { int tfree; long tinode; char names[12]; } us;
	MAY(syscall(SYS_ustat, st.st_dev, &us));
	OK(chmod("f", 0640));
	OK(fchmod(fd, 0600));
	OK(fchmodat(AT_FDCWD, "f", 0640, 0));
	OK(chown("f", getuid(), getgid()));
	OK(fchown(fd, getuid(), getgid()));
	OK(lchown("f", -1, -1));
	OK(fchownat(AT_FDCWD, "f", -1, -1, 0));
	OK(access("f", R_OK));
	OK(faccessat(AT_FDCWD, "f", R_OK, 0));
	MAY(syscall(439, AT_FDCWD, "f", R_OK, AT_EACCESS)); /* faccessat2 */
	OK(umask(umask(022)));
	struct timespec ts[2] = {{1000, 5}, {2000, 6}};
	OK(futimens(fd, ts));
	OK(utimensat(AT_FDCWD, "f", ts, 0));
	struct timeval tv[2] = {{1000, 5}, {2000, 6}};
	OK(utimes("f", tv));
	OK(syscall(SYS_futimesat, AT_FDCWD, "f", tv));
	struct utimbuf ub = {10, 20};
	OK(utime("f", &ub));
	OK(stat("f", &st));
	CHECK(st.st_mtime == 20);
	OK(truncate("f", 9000));

	char val[64], list[256];
	if (MAY(setxattr("f", "user.a", "value", 5, 0)) == 0) {
		CHECK(OK(getxattr("f", "user.a", val, sizeof val)) == 5);
		CHECK(OK(getxattr("f", "user.a", NULL, 0)) == 5);
		FAILS(ERANGE, getxattr("f", "user.a", val, 2));
		FAILS(ENODATA, getxattr("f", "user.b", val, sizeof val));
		CHECK(OK(lgetxattr("f", "user.a", val, sizeof val)) == 5);
		CHECK(OK(fgetxattr(fd, "user.a", val, sizeof val)) == 5);
		CHECK(OK(listxattr("f", list, sizeof list)) >= 7);
		CHECK(OK(llistxattr("f", list, sizeof list)) >= 7);
		CHECK(OK(flistxattr(fd, list, sizeof list)) >= 7);
		OK(lsetxattr("f", "user.a", "w", 1, 0));
		OK(fsetxattr(fd, "user.b", "v", 1, 0));
		OK(removexattr("f", "user.a"));
		FAILS(ENODATA, lremovexattr("f", "user.a"));
		OK(fremovexattr(fd, "user.b"));
	}

	struct { struct file_handle h; char space[128]; } h;
	int mnt;
	h.h.handle_bytes = 0;
	name_to_handle_at(AT_FDCWD, "f", &h.h, &mnt, 0);
	h.h.handle_bytes = 128;
	if (MAY(name_to_handle_at(AT_FDCWD, "f", &h.h, &mnt, 0)) == 0) {
		int g = MAY(open_by_handle_at(AT_FDCWD, &h.h, O_RDONLY));
		if (g >= 0)
			OK(close(g));
	}

	long attrs = 0;
	int n;
	MAY(ioctl(fd, FS_IOC_GETFLAGS, &attrs));
	MAY(ioctl(fd, FS_IOC_GETVERSION, &attrs));
	struct fsxattr fsx;
	MAY(ioctl(fd, FS_IOC_FSGETXATTR, &fsx));
	OK(ioctl(fd, FIGETBSZ, &n));
	OK(ioctl(fd, FIONREAD, &n));
	MAY(ioctl(fd, FIOQSIZE, val));
	OK(ioctl(fd, FIOCLEX));
	OK(ioctl(fd, FIONCLEX));
	n = 0;
	OK(ioctl(fd, FIONBIO, &n));
	char fm[sizeof(struct fiemap) + 4 * sizeof(struct fiemap_extent)] = "";
	struct fiemap *map = (void *)fm;
	map->fm_length = ~0ull;
	map->fm_extent_count = 4;
	MAY(ioctl(fd, FS_IOC_FIEMAP, map));
	struct cachestat_range { unsigned long off, len; } range = {0, 9000};
	unsigned long cs[5];
	MAY(syscall(451, fd, &range, cs, 0));
	char fa[64];
	MAY(syscall(468, AT_FDCWD, "f", fa, sizeof fa, 0)); /* file_getattr */
	OK(close(fd));
}

static void directories(void)
{
	char path[4096], raw[2048];
	CHECK(OK(syscall(SYS_getcwd, path, sizeof path)) == (long)strlen(path) + 1);
	FAILS(ERANGE, syscall(SYS_getcwd, raw, 1));
	OK(mkdir("dir", 0700));
	OK(mkdirat(AT_FDCWD, "dir/sub", 0700));
	OK(chdir("dir"));
	int d = OK(open("..", O_RDONLY | O_DIRECTORY));
	OK(fchdir(d));
	OK(link("f", "dir/g"));
	OK(linkat(d, "f", d, "dir/h", 0));
	OK(symlink("somewhere", "dir/l"));
	OK(symlinkat("else", d, "dir/m"));
	CHECK(OK(readlink("dir/l", path, sizeof path)) == 9);
	CHECK(OK(readlink("dir/l", path, 4)) == 4);
	CHECK(OK(readlinkat(d, "dir/m", path, sizeof path)) == 4);
	OK(rename("dir/g", "dir/g2"));
	OK(renameat(d, "dir/g2", d, "dir/g"));
	OK(renameat2(d, "dir/g", d, "dir/h2", RENAME_NOREPLACE));
	OK(mknod("dir/fifo", S_IFIFO | 0600, 0));
	OK(mknodat(d, "dir/fifo2", S_IFIFO | 0600, 0));
	OK(unlink("dir/fifo"));
	OK(unlinkat(d, "dir/fifo2", 0));
	for (int i = 0; i < 60; i++) {
		snprintf(path, sizeof path, "dir/entry-%0*d", i + 1, i);
		OK(close(OK(creat(path, 0600))));
	}
	int fd = OK(open("dir", O_RDONLY | O_DIRECTORY)), seen = 0;
	long n;
	while ((n = OK(syscall(SYS_getdents64, fd, raw, 700))) > 0)
		for (long i = 0; i < n; i += ((struct dirent64 *)(raw + i))->d_reclen)
			seen++;
	CHECK(seen == 60 + 2 + 5);
	OK(lseek(fd, 0, SEEK_SET));
	while ((n = OK(syscall(SYS_getdents, fd, raw, 500))) > 0)
		;
	OK(lseek(fd, 0, SEEK_SET));
	FAILS(EINVAL, syscall(SYS_getdents64, fd, raw, 20));
	OK(close(fd));
	for (int i = 0; i < 60; i++) {
		snprintf(path, sizeof path, "dir/entry-%0*d", i + 1, i);
		OK(unlink(path));
	}
	struct { unsigned long flags, mode, resolve; } how = {O_RDONLY, 0, 0};
	fd = MAY(syscall(437, d, "f", &how, sizeof how)); /* openat2 */
	if (fd >= 0)
		OK(close(fd));
	OK(unlink("dir/h"));
	OK(unlink("dir/h2"));
	OK(unlink("dir/l"));
	OK(unlink("dir/m"));
	OK(rmdir("dir/sub"));
	OK(rmdir("dir"));
	OK(close(d));
}

static void descriptors(void)
{
	int fd = OK(open("f", O_RDWR)), e;
	e = OK(dup(fd));
	CHECK(OK(dup2(fd, 20)) == 20);
	CHECK(OK(dup3(fd, 21, O_CLOEXEC)) == 21);
	OK(fcntl(fd, F_DUPFD_CLOEXEC, 30));
	OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
	CHECK(OK(fcntl(fd, F_GETFD)) == FD_CLOEXEC);
	OK(fcntl(fd, F_SETFL, O_APPEND));
	OK(fcntl(fd, F_GETFL));
	struct flock lk = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};
	OK(fcntl(fd, F_SETLK, &lk));
	OK(fcntl(fd, F_SETLKW, &lk));
	OK(fcntl(fd, F_GETLK, &lk));
	lk.l_type = F_RDLCK;
	lk.l_pid = 0;
	OK(fcntl(fd, F_OFD_GETLK, &lk));
	lk.l_type = F_UNLCK;
	OK(fcntl(fd, F_SETLK, &lk));
	struct f_owner_ex ow;
	OK(fcntl(fd, F_SETOWN, getpid()));
	OK(fcntl(fd, F_GETOWN));
	OK(fcntl(fd, F_GETOWN_EX, &ow));
	CHECK(ow.pid == getpid());
	OK(fcntl(fd, F_SETSIG, 0));
	OK(fcntl(fd, F_GETSIG));
	unsigned long hint;
	MAY(fcntl(fd, F_GET_RW_HINT, &hint));
	MAY(fcntl(fd, F_GETLEASE));
	OK(flock(fd, LOCK_EX));
	FAILS(EWOULDBLOCK, flock(OK(open("f", O_RDONLY)), LOCK_SH | LOCK_NB));
	OK(flock(fd, LOCK_UN));
	OK(close(e));
	OK(syscall(436, 20, 100, 0)); /* close_range */
	FAILS(EBADF, close(20));
}

int main(void)
{
	reading_and_writing();
	metadata();
	directories();
	descriptors();
	OK(unlink("f"));
	puts("files ok");
	return 0;
}
