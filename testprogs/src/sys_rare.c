/* sys_rare: calls that few programs make: keys, tracing a child, quotas, the
 * kernel's log, mounts, security modules, sandboxes. Whether each is there is
 * the machine's affair; what is there must work.
 *
 * output: rare ok\n
 */
#include "check.h"
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/quota.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

static char buf[8192];

static void tracing(void)
{
	int st;
	pid_t pid = OK(fork());
	if (!pid) {
		raise(SIGSTOP);
		_exit(3);
	}
	OK(waitpid(pid, &st, WUNTRACED));
	if (MAY(ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD)) == 0) {
		struct user_regs_struct regs;
		struct user_fpregs_struct fp;
		struct iovec iov = {buf, sizeof buf};
		siginfo_t si;
		unsigned long msg;
		OK(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
		OK(waitpid(pid, &st, 0));
		OK(ptrace(PTRACE_GETREGS, pid, 0, &regs));
		OK(ptrace(PTRACE_SETREGS, pid, 0, &regs));
		OK(ptrace(PTRACE_GETFPREGS, pid, 0, &fp));
		OK(ptrace(PTRACE_GETREGSET, pid, 1, &iov));
		CHECK(iov.iov_len == sizeof regs);
		iov = (struct iovec){buf, sizeof buf};
		OK(ptrace(PTRACE_GETREGSET, pid, 0x202, &iov)); /* NT_X86_XSTATE */
		ptrace(PTRACE_PEEKDATA, pid, regs.rsp & ~7, 0);
		ptrace(PTRACE_PEEKUSER, pid, 0, 0);
		MAY(ptrace(PTRACE_GETSIGINFO, pid, 0, &si));
		OK(ptrace(PTRACE_GETEVENTMSG, pid, 0, &msg));
		MAY(ptrace(0x420a, pid, 8, buf));           /* PTRACE_GETSIGMASK */
		MAY(ptrace(0x420e, pid, sizeof buf, buf));  /* PTRACE_GET_SYSCALL_INFO */
		MAY(ptrace(0x420f, pid, 64, buf));          /* PTRACE_GET_RSEQ_CONFIGURATION */
		OK(ptrace(PTRACE_DETACH, pid, 0, 0));
	}
	OK(kill(pid, SIGCONT));
	OK(kill(pid, SIGKILL));
	OK(waitpid(pid, &st, 0));
}

static void keys(void)
{
	long key = MAY(syscall(SYS_add_key, "user", "yore", "payload", 7, -2 /* process keyring */));
	if (key < 0)
		return;
	OK(syscall(SYS_keyctl, 0, -2, 0));                   /* GET_KEYRING_ID */
	OK(syscall(SYS_keyctl, 6, key, buf, sizeof buf));    /* DESCRIBE */
	OK(syscall(SYS_keyctl, 6, key, buf, 3));
	CHECK(OK(syscall(SYS_keyctl, 11, key, buf, sizeof buf)) == 7); /* READ */
	OK(syscall(SYS_keyctl, 11, key, buf, 3));
	MAY(syscall(SYS_keyctl, 17, key, buf, sizeof buf));  /* GET_SECURITY */
	MAY(syscall(SYS_keyctl, 31, buf, 40));               /* CAPABILITIES */
	MAY(syscall(SYS_request_key, "user", "yore", NULL, 0));
	OK(syscall(SYS_keyctl, 9, key, -2));                 /* UNLINK */
}

static void kernel(void)
{
	MAY(syscall(SYS_syslog, 10, NULL, 0));
	MAY(syscall(SYS_syslog, 3, buf, 1000));
	CHECK(syscall(SYS_sysfs, 3) > 0 || errno == ENOSYS);
	MAY(syscall(SYS_sysfs, 2, 0, buf));
	MAY(syscall(SYS_quotactl, QCMD(Q_GETFMT, USRQUOTA), "/dev/none", 0, buf));
	uint32_t size = 1000;
	struct { uint32_t size, spare; uint64_t id, param; } req = {24, 0, -1ull, 0};
	long n = MAY(syscall(458, &req, buf, 20, 0)); /* listmount */
	if (n > 0) {
		req.id = *(uint64_t *)buf;
		req.param = 0x3f;
		MAY(syscall(457, &req, buf, sizeof buf, 0)); /* statmount */
	}
	MAY(syscall(461, buf, &size, 0)); /* lsm_list_modules */
	size = 1000;
	MAY(syscall(459, 100, buf, &size, 0)); /* lsm_get_self_attr: current */
	size = 1;
	MAY(syscall(461, buf, &size, 0));
	struct { uint32_t size, type; uint64_t id; uint32_t ns, spare; uint64_t user; } ns = {32, 0, 0, 0, 0, 0};
	MAY(syscall(470, &ns, buf, 10, 0)); /* listns */
	struct { uint64_t value; uint32_t size, flags; } xa = {(uintptr_t)buf, sizeof buf, 0};
	MAY(syscall(464, AT_FDCWD, ".", 0, "user.none", &xa, sizeof xa)); /* getxattrat */
	MAY(syscall(465, AT_FDCWD, ".", 0, buf, sizeof buf)); /* listxattrat */
	MAY(syscall(444, NULL, 0, 1)); /* landlock_create_ruleset: version */
	int fd = MAY(syscall(428, AT_FDCWD, "/", 0)); /* open_tree */
	if (fd >= 0)
		OK(close(fd));
	fd = MAY(syscall(430, "tmpfs", 0)); /* fsopen */
	if (fd >= 0) {
		MAY(syscall(431, fd, 1, "source", "x", 0)); /* fsconfig */
		MAY(read(fd, buf, sizeof buf));
		OK(close(fd));
	}
	MAY(syscall(SYS_acct, "/no/such/file") == -1 ? 0 : -1);
}

static void sandbox(void)
{
	uint32_t action = SECCOMP_RET_ERRNO;
	uint16_t sizes[4];
	MAY(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
	MAY(syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, sizes));
	struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog prog = {1, allow};
	pid_t pid = OK(fork());
	if (!pid)
		_exit(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0 || errno ? 0 : 1);
	int st;
	CHECK(OK(waitpid(pid, &st, 0)) == pid && st == 0);
	MAY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
}

int main(void)
{
	tracing();
	keys();
	kernel();
	sandbox();
	puts("rare ok");
	return 0;
}
