package syscalls

import "syscall"

// A sub is the table of a call's operations, chosen by one argument.
type sub struct {
	name string
	arg  int
	mask uint64 // the bits of the argument that select
	// strict: outputs of an operation that is not listed are not known.
	strict bool
	ops    []op
	// generic, if not nil, makes up an op for a value that is not listed.
	generic func(v uint64) *op

	byVal map[uint64]*op
}

// An op is one operation of a call. Its outputs come after those of its row.
type op struct {
	val     uint64
	name    string
	outs    []out
	wait    wait
	file    filed
	give    *given
	compare bool // outputs are irregular: compare memory
	early   bool // the word at argument 0 may be written before the call blocks
}

// given is a result that the program gets without the kernel seeing the call.
type given struct {
	ret  int64
	why  string
	when func(Args) bool // nil: always
}

func refuse(e syscall.Errno, why string) *given { return &given{ret: -int64(e), why: why} }
func pretend(why string) *given                 { return &given{why: why} }

var subs = []*sub{&ioctls, &madvises, &shmctls, &semctls, &msgctls, &fcntls, &ptraces, &prctls,
	&archPrctls, &keyctls, &futexes, &seccomps}

func init() {
	for _, s := range subs {
		s.byVal = make(map[uint64]*op, len(s.ops))
		for i := range s.ops {
			o := &s.ops[i]
			if s.byVal[o.val] != nil {
				panic("syscalls: two rows for " + s.name + " " + o.name)
			}
			s.byVal[o.val] = o
		}
	}
}

func (s *sub) find(a Args) *op {
	v := a[s.arg] & s.mask
	if o := s.byVal[v]; o != nil {
		return o
	}
	if s.generic != nil {
		return s.generic(v)
	}
	return nil
}

const mask32 = 1<<32 - 1

var madvises = sub{name: "madvise", arg: 2, mask: mask32, ops: []op{
	{val: 0, name: "MADV_NORMAL"},
	{val: 1, name: "MADV_RANDOM"},
	{val: 2, name: "MADV_SEQUENTIAL"},
	{val: 3, name: "MADV_WILLNEED"},
	{val: 4, name: "MADV_DONTNEED"},
	{val: 8, name: "MADV_FREE", give: pretend("the kernel would drop pages at a time of its own; keeping them is allowed")},
	{val: 9, name: "MADV_REMOVE"},
	{val: 10, name: "MADV_DONTFORK", give: pretend("checkpoints are forks and need all pages")},
	{val: 11, name: "MADV_DOFORK", give: pretend("goes with MADV_DONTFORK")},
	{val: 12, name: "MADV_MERGEABLE", give: refuse(syscall.EINVAL, "merged pages hide what was written; kernels may lack it")},
	{val: 13, name: "MADV_UNMERGEABLE", give: refuse(syscall.EINVAL, "goes with MADV_MERGEABLE")},
	{val: 14, name: "MADV_HUGEPAGE", give: pretend("pages are tracked singly")},
	{val: 15, name: "MADV_NOHUGEPAGE"},
	{val: 16, name: "MADV_DONTDUMP"},
	{val: 17, name: "MADV_DODUMP"},
	{val: 18, name: "MADV_WIPEONFORK", give: refuse(syscall.EINVAL, "checkpoints are forks and need all pages; kernels may lack it")},
	{val: 19, name: "MADV_KEEPONFORK", give: refuse(syscall.EINVAL, "goes with MADV_WIPEONFORK")},
	{val: 20, name: "MADV_COLD"},
	{val: 21, name: "MADV_PAGEOUT"},
	{val: 22, name: "MADV_POPULATE_READ"},
	{val: 23, name: "MADV_POPULATE_WRITE"},
	{val: 24, name: "MADV_DONTNEED_LOCKED"},
	{val: 25, name: "MADV_COLLAPSE", give: refuse(syscall.EINVAL, "pages are tracked singly; kernels may lack it")},
	{val: 102, name: "MADV_GUARD_INSTALL", give: refuse(syscall.EINVAL, "guards do not show in the list of mappings; kernels may lack them")},
	{val: 103, name: "MADV_GUARD_REMOVE", give: refuse(syscall.EINVAL, "goes with MADV_GUARD_INSTALL")},
}}

// System V IPC. The kernel's 64-bit calls ignore the flag IPC_64.

var shmctls = sub{name: "shmctl", arg: 1, mask: mask32 &^ 0x100, strict: true, ops: []op{
	{val: 0, name: "IPC_RMID"},
	{val: 1, name: "IPC_SET"},
	{val: 2, name: "IPC_STAT", outs: outs(fix(2, 112))},
	{val: 3, name: "IPC_INFO", outs: outs(fix(2, 72))},
	{val: 11, name: "SHM_LOCK"},
	{val: 12, name: "SHM_UNLOCK"},
	{val: 13, name: "SHM_STAT", outs: outs(fix(2, 112))},
	{val: 14, name: "SHM_INFO", outs: outs(fix(2, 48))},
	{val: 15, name: "SHM_STAT_ANY", outs: outs(fix(2, 112))},
}}

var semctls = sub{name: "semctl", arg: 2, mask: mask32 &^ 0x100, strict: true, ops: []op{
	{val: 0, name: "IPC_RMID"},
	{val: 1, name: "IPC_SET"},
	{val: 2, name: "IPC_STAT", outs: outs(fix(3, 104))},
	{val: 3, name: "IPC_INFO", outs: outs(fix(3, 40))},
	{val: 11, name: "GETPID"},
	{val: 12, name: "GETVAL"},
	{val: 13, name: "GETALL", compare: true}, // as long as the set, which is not in memory
	{val: 14, name: "GETNCNT"},
	{val: 15, name: "GETZCNT"},
	{val: 16, name: "SETVAL"},
	{val: 17, name: "SETALL"},
	{val: 18, name: "SEM_STAT", outs: outs(fix(3, 104))},
	{val: 19, name: "SEM_INFO", outs: outs(fix(3, 40))},
	{val: 20, name: "SEM_STAT_ANY", outs: outs(fix(3, 104))},
}}

var msgctls = sub{name: "msgctl", arg: 1, mask: mask32 &^ 0x100, strict: true, ops: []op{
	{val: 0, name: "IPC_RMID"},
	{val: 1, name: "IPC_SET"},
	{val: 2, name: "IPC_STAT", outs: outs(fix(2, 120))},
	{val: 3, name: "IPC_INFO", outs: outs(fix(2, 32))},
	{val: 11, name: "MSG_STAT", outs: outs(fix(2, 120))},
	{val: 12, name: "MSG_INFO", outs: outs(fix(2, 32))},
	{val: 13, name: "MSG_STAT_ANY", outs: outs(fix(2, 120))},
}}

var fcntls = sub{name: "fcntl", arg: 1, mask: mask32, strict: true, ops: []op{
	{val: 0, name: "F_DUPFD"},
	{val: 1, name: "F_GETFD"},
	{val: 2, name: "F_SETFD"},
	{val: 3, name: "F_GETFL"},
	{val: 4, name: "F_SETFL"},
	{val: 5, name: "F_GETLK", outs: outs(fix(2, 32))},
	{val: 6, name: "F_SETLK"},
	{val: 7, name: "F_SETLKW", wait: waits},
	{val: 8, name: "F_SETOWN"},
	{val: 9, name: "F_GETOWN"},
	{val: 10, name: "F_SETSIG"},
	{val: 11, name: "F_GETSIG"},
	{val: 15, name: "F_SETOWN_EX"},
	{val: 16, name: "F_GETOWN_EX", outs: outs(fix(2, 8))},
	{val: 17, name: "F_GETOWNER_UIDS", outs: outs(fix(2, 8))},
	{val: 36, name: "F_OFD_GETLK", outs: outs(fix(2, 32))},
	{val: 37, name: "F_OFD_SETLK"},
	{val: 38, name: "F_OFD_SETLKW", wait: waits},
	{val: 1024, name: "F_SETLEASE"},
	{val: 1025, name: "F_GETLEASE"},
	{val: 1026, name: "F_NOTIFY"},
	{val: 1027, name: "F_DUPFD_QUERY"},
	{val: 1028, name: "F_CREATED_QUERY"},
	{val: 1029, name: "F_CANCELLK"},
	{val: 1030, name: "F_DUPFD_CLOEXEC"},
	{val: 1031, name: "F_SETPIPE_SZ"},
	{val: 1032, name: "F_GETPIPE_SZ"},
	{val: 1033, name: "F_ADD_SEALS"},
	{val: 1034, name: "F_GET_SEALS"},
	{val: 1035, name: "F_GET_RW_HINT", outs: outs(fix(2, 8))},
	{val: 1036, name: "F_SET_RW_HINT"},
	{val: 1037, name: "F_GET_FILE_RW_HINT", outs: outs(fix(2, 8))},
	{val: 1038, name: "F_SET_FILE_RW_HINT"},
	{val: 1039, name: "F_GETDELEG", outs: outs(fix(2, 8))},
	{val: 1040, name: "F_SETDELEG"},
}}

// ptraces: the debuggee tracing a process of its own. Addresses in argument 2
// are the other process's.
var ptraces = sub{name: "ptrace", arg: 0, mask: mask32, strict: true, ops: []op{
	{val: 0, name: "PTRACE_TRACEME", give: refuse(syscall.EPERM, "the program is traced already")},
	{val: 1, name: "PTRACE_PEEKTEXT", outs: outs(fix(3, 8))},
	{val: 2, name: "PTRACE_PEEKDATA", outs: outs(fix(3, 8))},
	{val: 3, name: "PTRACE_PEEKUSER", outs: outs(fix(3, 8))},
	{val: 4, name: "PTRACE_POKETEXT"},
	{val: 5, name: "PTRACE_POKEDATA"},
	{val: 6, name: "PTRACE_POKEUSER"},
	{val: 7, name: "PTRACE_CONT"},
	{val: 8, name: "PTRACE_KILL"},
	{val: 9, name: "PTRACE_SINGLESTEP"},
	{val: 12, name: "PTRACE_GETREGS", outs: outs(fix(3, 216))},
	{val: 13, name: "PTRACE_SETREGS"},
	{val: 14, name: "PTRACE_GETFPREGS", outs: outs(fix(3, 512))},
	{val: 15, name: "PTRACE_SETFPREGS"},
	{val: 16, name: "PTRACE_ATTACH"},
	{val: 17, name: "PTRACE_DETACH"},
	{val: 24, name: "PTRACE_SYSCALL"},
	{val: 30, name: "PTRACE_ARCH_PRCTL", compare: true},
	{val: 31, name: "PTRACE_SYSEMU"},
	{val: 32, name: "PTRACE_SYSEMU_SINGLESTEP"},
	{val: 33, name: "PTRACE_SINGLEBLOCK"},
	{val: 0x4200, name: "PTRACE_SETOPTIONS"},
	{val: 0x4201, name: "PTRACE_GETEVENTMSG", outs: outs(fix(3, 8))},
	{val: 0x4202, name: "PTRACE_GETSIGINFO", outs: outs(fix(3, 128))},
	{val: 0x4203, name: "PTRACE_SETSIGINFO"},
	{val: 0x4204, name: "PTRACE_GETREGSET", outs: outs(fn("iovec at a3 and its buffer", ptraceIov))},
	{val: 0x4205, name: "PTRACE_SETREGSET", outs: outs(fix(3, 16))},
	{val: 0x4206, name: "PTRACE_SEIZE"},
	{val: 0x4207, name: "PTRACE_INTERRUPT"},
	{val: 0x4208, name: "PTRACE_LISTEN"},
	{val: 0x4209, name: "PTRACE_PEEKSIGINFO", compare: true},
	{val: 0x420a, name: "PTRACE_GETSIGMASK", outs: outs(argn(3, 2, 1))},
	{val: 0x420b, name: "PTRACE_SETSIGMASK"},
	{val: 0x420c, name: "PTRACE_SECCOMP_GET_FILTER", compare: true},
	{val: 0x420d, name: "PTRACE_SECCOMP_GET_METADATA", outs: outs(argn(3, 2, 1))},
	{val: 0x420e, name: "PTRACE_GET_SYSCALL_INFO", outs: outs(argn(3, 2, 1))},
	{val: 0x420f, name: "PTRACE_GET_RSEQ_CONFIGURATION", outs: outs(argn(3, 2, 1))},
	{val: 0x4210, name: "PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG"},
	{val: 0x4211, name: "PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG", outs: outs(argn(3, 2, 1))},
	{val: 0x4212, name: "PTRACE_SET_SYSCALL_INFO"},
}}

func ptraceIov(c *ctx) {
	var b [16]byte
	if !c.consult(c.a[3], b[:8]) || !c.read(c.a[3], b[:]) {
		return
	}
	c.add(c.a[3]+8, 8)
	c.add(le.Uint64(b[:]), le.Uint64(b[8:]))
}

var prctls = sub{name: "prctl", arg: 0, mask: mask32, strict: true, ops: []op{
	{val: 1, name: "PR_SET_PDEATHSIG"},
	{val: 2, name: "PR_GET_PDEATHSIG", outs: outs(fix(1, 4))},
	{val: 3, name: "PR_GET_DUMPABLE"},
	{val: 4, name: "PR_SET_DUMPABLE", give: &given{why: "an undumpable process could not be recorded without privileges",
		when: func(a Args) bool { return a[1] == 0 }}},
	{val: 5, name: "PR_GET_UNALIGN"},
	{val: 6, name: "PR_SET_UNALIGN"},
	{val: 7, name: "PR_GET_KEEPCAPS"},
	{val: 8, name: "PR_SET_KEEPCAPS"},
	{val: 9, name: "PR_GET_FPEMU"},
	{val: 10, name: "PR_SET_FPEMU"},
	{val: 11, name: "PR_GET_FPEXC"},
	{val: 12, name: "PR_SET_FPEXC"},
	{val: 13, name: "PR_GET_TIMING"},
	{val: 14, name: "PR_SET_TIMING"},
	{val: 15, name: "PR_SET_NAME"},
	{val: 16, name: "PR_GET_NAME", outs: outs(fix(1, 16))},
	{val: 19, name: "PR_GET_ENDIAN"},
	{val: 20, name: "PR_SET_ENDIAN"},
	{val: 21, name: "PR_GET_SECCOMP"},
	{val: 22, name: "PR_SET_SECCOMP", give: pretend(sandbox)},
	{val: 23, name: "PR_CAPBSET_READ"},
	{val: 24, name: "PR_CAPBSET_DROP"},
	{val: 25, name: "PR_GET_TSC", outs: outs(fix(1, 4))},
	{val: 26, name: "PR_SET_TSC", give: &given{ret: -int64(syscall.EINVAL), why: "the recorder traps the instruction itself",
		when: func(a Args) bool { return uint32(a[1]) != 1 }}},
	{val: 27, name: "PR_GET_SECUREBITS"},
	{val: 28, name: "PR_SET_SECUREBITS"},
	{val: 29, name: "PR_SET_TIMERSLACK"},
	{val: 30, name: "PR_GET_TIMERSLACK"},
	{val: 31, name: "PR_TASK_PERF_EVENTS_DISABLE"},
	{val: 32, name: "PR_TASK_PERF_EVENTS_ENABLE"},
	{val: 33, name: "PR_MCE_KILL"},
	{val: 34, name: "PR_MCE_KILL_GET"},
	{val: 35, name: "PR_SET_MM", give: refuse(syscall.EPERM, "the recorder keeps the process's layout; unprivileged programs get this too")},
	{val: 36, name: "PR_SET_CHILD_SUBREAPER"},
	{val: 37, name: "PR_GET_CHILD_SUBREAPER", outs: outs(fix(1, 4))},
	{val: 38, name: "PR_SET_NO_NEW_PRIVS"},
	{val: 39, name: "PR_GET_NO_NEW_PRIVS"},
	{val: 40, name: "PR_GET_TID_ADDRESS", outs: outs(fix(1, 8))},
	{val: 41, name: "PR_SET_THP_DISABLE"},
	{val: 42, name: "PR_GET_THP_DISABLE"},
	{val: 43, name: "PR_MPX_ENABLE_MANAGEMENT"},
	{val: 44, name: "PR_MPX_DISABLE_MANAGEMENT"},
	{val: 45, name: "PR_SET_FP_MODE"},
	{val: 46, name: "PR_GET_FP_MODE"},
	{val: 47, name: "PR_CAP_AMBIENT"},
	{val: 50, name: "PR_SVE_SET_VL"},
	{val: 51, name: "PR_SVE_GET_VL"},
	{val: 52, name: "PR_GET_SPECULATION_CTRL"},
	{val: 53, name: "PR_SET_SPECULATION_CTRL"},
	{val: 54, name: "PR_PAC_RESET_KEYS"},
	{val: 55, name: "PR_SET_TAGGED_ADDR_CTRL", give: refuse(syscall.EINVAL, "pointers with tags; kernels may lack it")},
	{val: 56, name: "PR_GET_TAGGED_ADDR_CTRL"},
	{val: 57, name: "PR_SET_IO_FLUSHER"},
	{val: 58, name: "PR_GET_IO_FLUSHER"},
	{val: 59, name: "PR_SET_SYSCALL_USER_DISPATCH", give: refuse(syscall.EINVAL, "it would catch the recorder's own calls; kernels may lack it")},
	{val: 60, name: "PR_PAC_SET_ENABLED_KEYS"},
	{val: 61, name: "PR_PAC_GET_ENABLED_KEYS"},
	{val: 62, name: "PR_SCHED_CORE", outs: outs(fix(4, 8))},
	{val: 63, name: "PR_SME_SET_VL"},
	{val: 64, name: "PR_SME_GET_VL"},
	{val: 65, name: "PR_SET_MDWE", give: refuse(syscall.EINVAL, "patching needs executable memory; kernels may lack it")},
	{val: 66, name: "PR_GET_MDWE"},
	{val: 67, name: "PR_SET_MEMORY_MERGE", give: refuse(syscall.EINVAL, "merged pages hide what was written; kernels may lack it")},
	{val: 68, name: "PR_GET_MEMORY_MERGE"},
	{val: 69, name: "PR_RISCV_V_SET_CONTROL"},
	{val: 70, name: "PR_RISCV_V_GET_CONTROL"},
	{val: 71, name: "PR_RISCV_SET_ICACHE_FLUSH_CTX"},
	{val: 72, name: "PR_PPC_GET_DEXCR"},
	{val: 73, name: "PR_PPC_SET_DEXCR"},
	{val: 74, name: "PR_GET_SHADOW_STACK_STATUS", outs: outs(fix(1, 8))},
	{val: 75, name: "PR_SET_SHADOW_STACK_STATUS", give: refuse(syscall.EINVAL, "shadow stacks cannot be rebuilt")},
	{val: 76, name: "PR_LOCK_SHADOW_STACK_STATUS"},
	{val: 77, name: "PR_TIMER_CREATE_RESTORE_IDS"},
	{val: 78, name: "PR_FUTEX_HASH"},
	{val: 79, name: "PR_RSEQ_SLICE_EXTENSION", give: refuse(syscall.EINVAL, "belongs to rseq, which is refused")},
	{val: 0x41555856, name: "PR_GET_AUXV", outs: outs(fn("a1[ret<=a2]", auxvOut))},
	{val: 0x53564d41, name: "PR_SET_VMA"},
	{val: 0x59616d61, name: "PR_SET_PTRACER"},
}}

func auxvOut(c *ctx) {
	n := c.a[2]
	if !c.declared {
		n = min(n, uint64(c.ret))
	}
	c.add(c.a[1], n)
}

const sandbox = "a filter would catch the recorder's own calls; the program runs without its sandbox"

var seccomps = sub{name: "seccomp", arg: 0, mask: mask32, strict: true, ops: []op{
	{val: 0, name: "SECCOMP_SET_MODE_STRICT", give: pretend(sandbox)},
	{val: 1, name: "SECCOMP_SET_MODE_FILTER", give: &given{why: sandbox,
		when: func(a Args) bool { return a[1]&seccompNewListener == 0 && a[2] != 0 }}},
	{val: 2, name: "SECCOMP_GET_ACTION_AVAIL"},
	{val: 3, name: "SECCOMP_GET_NOTIF_SIZES", outs: outs(fix(2, 6))},
}}

const seccompNewListener = 8

var archPrctls = sub{name: "arch_prctl", arg: 0, mask: mask32, strict: true, ops: []op{
	{val: 0x1001, name: "ARCH_SET_GS"},
	{val: 0x1002, name: "ARCH_SET_FS"},
	{val: 0x1003, name: "ARCH_GET_FS", outs: outs(fix(1, 8))},
	{val: 0x1004, name: "ARCH_GET_GS", outs: outs(fix(1, 8))},
	{val: 0x1011, name: "ARCH_GET_CPUID"},
	{val: 0x1012, name: "ARCH_SET_CPUID"},
	{val: 0x1021, name: "ARCH_GET_XCOMP_SUPP", outs: outs(fix(1, 8))},
	{val: 0x1022, name: "ARCH_GET_XCOMP_PERM", outs: outs(fix(1, 8))},
	{val: 0x1023, name: "ARCH_REQ_XCOMP_PERM"},
	{val: 0x1024, name: "ARCH_GET_XCOMP_GUEST_PERM", outs: outs(fix(1, 8))},
	{val: 0x1025, name: "ARCH_REQ_XCOMP_GUEST_PERM"},
	{val: 0x1031, name: "ARCH_XCOMP_TILECFG"},
	{val: 0x1032, name: "ARCH_XCOMP_TILEDATA"},
	{val: 0x2001, name: "ARCH_MAP_VDSO_X32", give: refuse(syscall.EINVAL, "a vdso reads clocks past the recorder")},
	{val: 0x2002, name: "ARCH_MAP_VDSO_32", give: refuse(syscall.EINVAL, "a vdso reads clocks past the recorder")},
	{val: 0x2003, name: "ARCH_MAP_VDSO_64", give: refuse(syscall.EINVAL, "a vdso reads clocks past the recorder")},
	{val: 0x4001, name: "ARCH_GET_UNTAG_MASK", outs: outs(fix(1, 8))},
	{val: 0x4002, name: "ARCH_ENABLE_TAGGED_ADDR", give: refuse(syscall.ENODEV, "pointers with tags; processors may lack them")},
	{val: 0x4003, name: "ARCH_GET_MAX_TAG_BITS", outs: outs(fix(1, 8))},
	{val: 0x4004, name: "ARCH_FORCE_TAGGED_SVA"},
	{val: 0x5001, name: "ARCH_SHSTK_ENABLE", give: refuse(syscall.ENOTSUP, "shadow stacks cannot be rebuilt; processors may lack them")},
	{val: 0x5002, name: "ARCH_SHSTK_DISABLE"},
	{val: 0x5003, name: "ARCH_SHSTK_LOCK"},
	{val: 0x5004, name: "ARCH_SHSTK_UNLOCK"},
	{val: 0x5005, name: "ARCH_SHSTK_STATUS", outs: outs(fix(1, 8))},
	{val: 0x3001, name: "ARCH_CET_STATUS", outs: outs(fix(1, 24))}, // asked by old C libraries
}}

var keyctls = sub{name: "keyctl", arg: 0, mask: mask32, strict: true, ops: []op{
	{val: 0, name: "KEYCTL_GET_KEYRING_ID"},
	{val: 1, name: "KEYCTL_JOIN_SESSION_KEYRING"},
	{val: 2, name: "KEYCTL_UPDATE"},
	{val: 3, name: "KEYCTL_REVOKE"},
	{val: 4, name: "KEYCTL_CHOWN"},
	{val: 5, name: "KEYCTL_SETPERM"},
	{val: 6, name: "KEYCTL_DESCRIBE", outs: outs(ret(2, 3))},
	{val: 7, name: "KEYCTL_CLEAR"},
	{val: 8, name: "KEYCTL_LINK"},
	{val: 9, name: "KEYCTL_UNLINK"},
	{val: 10, name: "KEYCTL_SEARCH"},
	{val: 11, name: "KEYCTL_READ", outs: outs(ret(2, 3))},
	{val: 12, name: "KEYCTL_INSTANTIATE"},
	{val: 13, name: "KEYCTL_NEGATE"},
	{val: 14, name: "KEYCTL_SET_REQKEY_KEYRING"},
	{val: 15, name: "KEYCTL_SET_TIMEOUT"},
	{val: 16, name: "KEYCTL_ASSUME_AUTHORITY"},
	{val: 17, name: "KEYCTL_GET_SECURITY", outs: outs(ret(2, 3))},
	{val: 18, name: "KEYCTL_SESSION_TO_PARENT"},
	{val: 19, name: "KEYCTL_REJECT"},
	{val: 20, name: "KEYCTL_INSTANTIATE_IOV"},
	{val: 21, name: "KEYCTL_INVALIDATE"},
	{val: 22, name: "KEYCTL_GET_PERSISTENT"},
	{val: 23, name: "KEYCTL_DH_COMPUTE", outs: outs(ret(2, 3))},
	{val: 24, name: "KEYCTL_PKEY_QUERY", compare: true},
	{val: 25, name: "KEYCTL_PKEY_ENCRYPT", compare: true},
	{val: 26, name: "KEYCTL_PKEY_DECRYPT", compare: true},
	{val: 27, name: "KEYCTL_PKEY_SIGN", compare: true},
	{val: 28, name: "KEYCTL_PKEY_VERIFY"},
	{val: 29, name: "KEYCTL_RESTRICT_KEYRING"},
	{val: 30, name: "KEYCTL_MOVE"},
	{val: 31, name: "KEYCTL_CAPABILITIES", outs: outs(argn(1, 2, 1))},
	{val: 32, name: "KEYCTL_WATCH_KEY"},
}}

// futexes: the flags FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME do not select.
var futexes = sub{name: "futex", arg: 1, mask: mask32 &^ 0x180, ops: []op{
	{val: 0, name: "FUTEX_WAIT", wait: waits},
	{val: 1, name: "FUTEX_WAKE"},
	{val: 2, name: "FUTEX_FD"},
	{val: 3, name: "FUTEX_REQUEUE"},
	{val: 4, name: "FUTEX_CMP_REQUEUE"},
	{val: 5, name: "FUTEX_WAKE_OP", outs: outs(fix(4, 4).always())},
	{val: 6, name: "FUTEX_LOCK_PI", outs: outs(fix(0, 4).always()), wait: waits, early: true},
	{val: 7, name: "FUTEX_UNLOCK_PI", outs: outs(fix(0, 4).always())},
	{val: 8, name: "FUTEX_TRYLOCK_PI", outs: outs(fix(0, 4).always())},
	{val: 9, name: "FUTEX_WAIT_BITSET", wait: waits},
	{val: 10, name: "FUTEX_WAKE_BITSET"},
	{val: 11, name: "FUTEX_WAIT_REQUEUE_PI", outs: outs(fix(4, 4).always()), wait: waits},
	{val: 12, name: "FUTEX_CMP_REQUEUE_PI", outs: outs(fix(4, 4).always())},
	{val: 13, name: "FUTEX_LOCK_PI2", outs: outs(fix(0, 4).always()), wait: waits, early: true},
}}
