/* sys_process: identity, limits, capabilities, scheduling, names and other
 * properties of the process, asked and (harmlessly) set.
 *
 * output: process ok\n
 */
#include "check.h"
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

int main(void)
{
	uid_t a, b, c;
	gid_t groups[200];
	OK(getresuid(&a, &b, &c));
	CHECK(a == getuid() && b == geteuid());
	OK(getresgid(&a, &b, &c));
	CHECK(a == getgid() && b == getegid());
	int n = OK(getgroups(0, NULL));
	CHECK(OK(getgroups(200, groups)) == n);
	setfsuid(-1);
	setfsgid(-1);
	OK(getppid());
	OK(getsid(0));
	OK(getpgid(0));
	OK(syscall(SYS_getpgrp));
	OK(syscall(SYS_gettid));
	MAY(setpgid(0, 0));

	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];
	OK(syscall(SYS_capget, &h, d));
	OK(syscall(SYS_capset, &h, d));
	h.version = 1;
	FAILS(EINVAL, syscall(SYS_capget, &h, d));
	CHECK(h.version != 1);

	struct rlimit rl, old;
	OK(syscall(SYS_getrlimit, RLIMIT_STACK, &rl));
	OK(syscall(SYS_setrlimit, RLIMIT_STACK, &rl));
	OK(prlimit(0, RLIMIT_NOFILE, &(struct rlimit){64, 64}, &old));
	OK(prlimit(0, RLIMIT_NOFILE, NULL, &rl));
	CHECK(rl.rlim_cur == 64);

	struct utsname un;
	struct sysinfo si;
	OK(uname(&un));
	OK(sysinfo(&si));
	OK(personality(0xffffffff));

	errno = 0;
	getpriority(PRIO_PROCESS, 0);
	OK(setpriority(PRIO_PROCESS, 0, 5));
	CHECK(getpriority(PRIO_PROCESS, 0) == 5);
	MAY(syscall(SYS_ioprio_get, 1, 0));
	MAY(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 4));

	struct sched_param sp;
	struct timespec ts;
	cpu_set_t cpus;
	OK(syscall(SYS_sched_getparam, 0, &sp));
	CHECK(OK(syscall(SYS_sched_getscheduler, 0)) == SCHED_OTHER);
	OK(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &sp));
	OK(syscall(SYS_sched_setparam, 0, &sp));
	OK(sched_get_priority_max(SCHED_FIFO));
	OK(sched_get_priority_min(SCHED_FIFO));
	OK(sched_rr_get_interval(0, &ts));
	OK(sched_getaffinity(0, sizeof cpus, &cpus));
	OK(sched_setaffinity(0, sizeof cpus, &cpus));
	FAILS(EINVAL, syscall(SYS_sched_getaffinity, 0, 1, &cpus));
	char attr[128] = "";
	OK(syscall(SYS_sched_getattr, 0, attr, sizeof attr, 0));
	CHECK(*(int *)attr >= 48);
	OK(syscall(SYS_sched_setattr, 0, attr, 0));
	*(int *)attr = 4;
	FAILS(E2BIG, syscall(SYS_sched_setattr, 0, attr, 0));
	unsigned cpu, node;
	OK(syscall(SYS_getcpu, &cpu, &node, NULL));
	OK(sched_yield());

	char name[16];
	int v;
	long addr;
	OK(prctl(PR_SET_NAME, "renamed"));
	OK(prctl(PR_GET_NAME, name));
	CHECK(!strcmp(name, "renamed"));
	OK(prctl(PR_SET_PDEATHSIG, 0));
	OK(prctl(PR_GET_PDEATHSIG, &v));
	OK(prctl(PR_GET_DUMPABLE));
	OK(prctl(PR_SET_DUMPABLE, 0));
	OK(prctl(PR_SET_DUMPABLE, 1));
	OK(prctl(PR_GET_KEEPCAPS));
	OK(prctl(PR_GET_TSC, &v));
	OK(prctl(PR_GET_SECUREBITS));
	OK(prctl(PR_GET_TIMERSLACK));
	OK(prctl(PR_CAPBSET_READ, 0));
	OK(prctl(PR_SET_CHILD_SUBREAPER, 0));
	OK(prctl(PR_GET_CHILD_SUBREAPER, &v));
	OK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	MAY(prctl(PR_GET_TID_ADDRESS, &addr));
	MAY(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	MAY(prctl(PR_GET_SPECULATION_CTRL, 0, 0, 0, 0));
	OK(prctl(PR_GET_SECCOMP));
	char auxv[64];
	MAY(prctl(0x41555856, auxv, sizeof auxv, 0, 0)); /* PR_GET_AUXV */
	MAY(prctl(0x41555856, auxv, 0, 0, 0));
	FAILS(EINVAL, prctl(4711));

	unsigned long base;
	OK(syscall(SYS_arch_prctl, 0x1003, &base)); /* ARCH_GET_FS */
	OK(syscall(SYS_arch_prctl, 0x1004, &base)); /* ARCH_GET_GS */
	OK(syscall(SYS_arch_prctl, 0x1011, 0));     /* ARCH_GET_CPUID */
	MAY(syscall(SYS_arch_prctl, 0x1021, &base)); /* ARCH_GET_XCOMP_SUPP */
	MAY(syscall(SYS_arch_prctl, 0x1022, &base)); /* ARCH_GET_XCOMP_PERM */
	void *head;
	size_t len;
	OK(syscall(SYS_get_robust_list, 0, &head, &len));
	OK(syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 1));
	MAY(syscall(SYS_membarrier, 0, 0, 0));
	OK(setsid() == -1 ? 0 : 0);
	puts("process ok");
	return 0;
}
