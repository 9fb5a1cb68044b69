package syscalls

import (
	"encoding/binary"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// space is memory for the pure tests: page-sized chunks at fixed addresses.
type space map[uint64][]byte

func (s space) Read(addr uint64, p []byte) (int, error) {
	for base, b := range s {
		if addr >= base && addr-base < uint64(len(b)) {
			return copy(p, b[addr-base:]), nil
		}
	}
	return 0, syscall.EFAULT
}

func (s space) write(addr uint64, p []byte) {
	for base, b := range s {
		if addr >= base && addr-base < uint64(len(b)) {
			copy(b[addr-base:], p)
			return
		}
	}
	panic(fmt.Sprintf("no memory at %#x", addr))
}

func (s space) words(addr uint64, ws ...uint64) {
	for i, w := range ws {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], w)
		s.write(addr+8*uint64(i), b[:])
	}
}

func newSpace() space {
	return space{0x1000: make([]byte, 0x4000), 0x100000: make([]byte, 0x10000)}
}

func row(t *testing.T, name string) *Row {
	t.Helper()
	for _, r := range byNr {
		if r != nil && r.Name == name {
			return r
		}
	}
	t.Fatalf("no row %s", name)
	return nil
}

func TestOutputs(t *testing.T) {
	m := newSpace()
	m.words(0x1000, 0x2000, 100, 0x3000, 50)                   // two iovecs
	m.words(0x1100, 0x2800, 16, 0x1000, 2, 0x3800, 40, 0)      // a msghdr with them
	m.words(0x1200, 0x2800, 16, 0x1000, 2, 0x3800, 40, 0, 120) // two mmsghdrs
	m.words(0x1240, 0, 0, 0x1010, 1, 0, 0, 0, 7)
	m.write(0x1300, []byte{12, 0, 0, 0})                  // a length word
	m.write(0x1400, append(make([]byte, 24), 3, 0, 0, 0)) // a fiemap of three extents
	m.write(0x1500, []byte("ext4\x00 and more"))
	m.words(0x1600, 0x2000, 30) // xattr_args
	const far = 0xdead0000      // unreadable
	const efault, eintr, block = -14, -4, -516
	all := func(r ...Range) []Range { return r }
	for _, c := range []struct {
		name string
		a    Args
		ret  int64
		want []Range
	}{
		{"read", Args{3, 0x2001, 100}, 40, all(Range{0x2001, 40})},
		{"read", Args{3, 0x2001, 100}, 0, nil},
		{"read", Args{3, 0x2001, 100}, -11, nil},
		{"read", Args{3, 0x2001, 100}, efault, all(Range{0x2001, 100})},
		{"read", Args{3, 0x2000, 8192}, 5000, all(Range{0x2000, 8192})},
		{"read", Args{3, 0x2000, 8192}, 100, all(Range{0x2000, 4096})},
		{"read", Args{3, 0x2000, 1 << 40}, efault, all(Range{0x2000, maxRW})},
		{"readv", Args{3, 0x1000, 2}, 120, all(Range{0x2000, 100}, Range{0x3000, 20})},
		{"readv", Args{3, 0x1000, 2}, 90, all(Range{0x2000, 90})},
		{"readv", Args{3, 0x1000, 5000}, 90, nil},
		{"readv", Args{3, far, 2}, 90, nil},
		{"stat", Args{0, 0x2000}, 0, all(Range{0x2000, 144})},
		{"stat", Args{0, 0x2000}, -2, nil},
		{"poll", Args{0x2000, 3, 100}, 0, all(Range{0x2000, 24})},
		{"poll", Args{0x2000, 3, 100}, block, all(Range{0x2000, 24})},
		{"select", Args{65, 0x2000, 0, 0x3000, 0x3100}, 1, all(Range{0x2000, 16}, Range{0x3000, 16}, Range{0x3100, 16})},
		{"select", Args{65, 0x2000, 0, 0x3000, 0x3100}, -514, all(Range{0x3100, 16})},
		{"nanosleep", Args{0x1000, 0x2000}, 0, nil},
		{"nanosleep", Args{0x1000, 0x2000}, block, all(Range{0x2000, 16})},
		{"nanosleep", Args{0x1000, 0x2000}, eintr, all(Range{0x2000, 16})},
		{"nanosleep", Args{0x1000, 0x2000}, -22, nil},
		{"recvmsg", Args{3, 0x1100, 0}, 120, all(Range{0x1108, 4}, Range{0x1128, 8}, Range{0x1130, 4}, Range{0x2800, 16},
			Range{0x3800, 40}, Range{0x2000, 100}, Range{0x3000, 20})},
		{"recvmmsg", Args{3, 0x1200, 2, 0, 0}, 2, all(Range{0x1238, 4}, Range{0x1208, 4}, Range{0x1228, 8}, Range{0x1230, 4},
			Range{0x2800, 16}, Range{0x3800, 40}, Range{0x2000, 100}, Range{0x3000, 20},
			Range{0x1278, 4}, Range{0x1268, 8}, Range{0x1270, 4}, Range{0x3000, 7})},
		{"recvfrom", Args{3, 0x2001, 100, 0, 0x3000, 0x1300}, 5, all(Range{0x2001, 5}, Range{0x3000, 12}, Range{0x1300, 4})},
		{"recvfrom", Args{3, 0x2001, 100, 0, 0, 0x1300}, 5, all(Range{0x2001, 5})},
		{"recvfrom", Args{3, 0x2001, 100, 0, 0, 0}, 500, all(Range{0x2001, 100})},
		{"accept", Args{3, 0x3000, 0x1300}, 4, all(Range{0x3000, 12}, Range{0x1300, 4})},
		{"getsockopt", Args{3, 1, 2, 0x3000, 0x1300}, 0, all(Range{0x1300, 4}, Range{0x3000, 12})},
		{"wait4", Args{0, 0x2000, 1, 0x3000}, 0, nil},
		{"wait4", Args{0, 0x2000, 0, 0x3000}, 77, all(Range{0x2000, 4}, Range{0x3000, 144})},
		{"waitid", Args{0, 0, 0x2000, 4, 0}, -10, all(Range{0x2000, 12}, Range{0x2010, 12})},
		{"getdents64", Args{3, 0x2000, 1000}, 720, all(Range{0x2000, 720})},
		{"getgroups", Args{10, 0x2000}, 3, all(Range{0x2000, 12})},
		{"getgroups", Args{0, 0x2000}, 3, nil},
		{"msgrcv", Args{1, 0x2000, 100, 0, 0}, 20, all(Range{0x2000, 28})},
		{"epoll_wait", Args{3, 0x2000, 8, 0}, 2, all(Range{0x2000, 24})},
		{"futex", Args{0x2000, 6 | 128, 0, 0, 0x3000}, 0, all(Range{0x2000, 4})},
		{"futex", Args{0x2000, 5, 1, 1, 0x3000}, 1, all(Range{0x3000, 4})},
		{"futex", Args{0x2000, 0, 1, 0, 0x3000}, 0, nil},
		{"clone", Args{0x1000000 | 0x100, 0, 0x2000, 0x3000}, 9, all(Range{0x3000, 4})},
		{"clone", Args{0x1000000 | 0x100000, 0, 0x2000, 0x3000}, 9, all(Range{0x2000, 4})},
		{"ioctl", Args{0, 0x5413, 0x2000}, 0, all(Range{0x2000, 8})},
		{"ioctl", Args{0, 0xffffffff00005413, 0x2000}, 0, all(Range{0x2000, 8})},
		{"ioctl", Args{0, 0xc020660b, 0x1400 - 0}, 0, all(Range{0x1400, 32 + 3*56})},
		{"ioctl", Args{0, 0x80404506, 0x2000}, 20, all(Range{0x2000, 64})}, // EVIOCGNAME(64)
		{"sysfs", Args{2, 0, 0x1500}, 0, all(Range{0x1500, 5})},
		{"name_to_handle_at", Args{0, 0, 0x1300, 0x2000, 0}, 0, all(Range{0x1300, 20}, Range{0x2000, 4})},
		{"getxattrat", Args{0, 0, 0, 0, 0x1600, 16}, 10, all(Range{0x2000, 10})},
		{"mincore", Args{0x1000, 0x5000, 0x2000}, -12, all(Range{0x2000, 6})},
		{"prctl", Args{16, 0x2000}, 0, all(Range{0x2000, 16})},
		{"process_vm_writev", Args{1, 0x1000, 2, 0x1000, 2}, 120, all(Range{0x2000, 100}, Range{0x3000, 20})},
		{"seccomp", Args{1, 0, 0x2000}, 0, nil},
		{"clone3", Args{0x2000, 88}, -38, nil},
		{"read", Args{3, ^uint64(0) - 10, 100}, 50, all(Range{^uint64(0) - 10, 11})},
	} {
		got, known := row(t, c.name).Outputs(c.a, c.ret, m)
		if d := cmp.Diff(c.want, got); d != "" || !known {
			t.Errorf("%s = %d: known %v\n%s", FormatCall(int64(row(t, c.name).Nr), c.a, nil), c.ret, known, d)
		}
	}
}

func TestKnown(t *testing.T) {
	m := newSpace()
	m.words(0x1000, 0x2000, 100) // an iovec
	m.words(0x1100, 0x1108, 100) // an iovec whose buffer covers the next
	m.words(0x1110, 0x2000, 100)
	for _, c := range []struct {
		name string
		a    Args
		want bool
	}{
		{"read", Args{3, 0x2000, 10}, true},
		{"readv", Args{3, 0x1000, 1}, true},
		{"readv", Args{3, 0x1100, 2}, false},
		{"ioctl", Args{3, 0x5401, 0x2000}, true},
		{"ioctl", Args{3, 0xc0186444, 0x2000}, false}, // a graphics driver's
		{"fcntl", Args{3, 5, 0x2000}, true},
		{"fcntl", Args{3, 4711, 0x2000}, false},
		{"semctl", Args{3, 0, 13, 0x2000}, false},
		{"getsockopt", Args{3, 6, 35, 0x2000, 0x3000}, false},
		{"prctl", Args{4711}, false},
		{"prctl", Args{22, 2, 0x2000}, true}, // pretended
		{"syscall_500", Args{}, false},
	} {
		r := Lookup(500)
		if c.name != r.Name {
			r = row(t, c.name)
		}
		if got := r.Known(c.a, m); got != c.want {
			t.Errorf("%s: known %v", FormatCall(int64(r.Nr), c.a, nil), got)
		}
		if _, known := r.Outputs(c.a, 0, m); c.want && !known {
			t.Errorf("%s: known at entry but not at the end", FormatCall(int64(r.Nr), c.a, nil))
		}
	}
}

func TestMayBlock(t *testing.T) {
	m := newSpace()
	m.words(0x1000, 0, 0)
	m.words(0x1010, 0, 5)
	for _, c := range []struct {
		name string
		a    Args
		want bool
	}{
		{"read", Args{}, true}, {"getpid", Args{}, false}, {"openat", Args{}, true}, {"stat", Args{}, false},
		{"poll", Args{0, 0, 0}, false}, {"poll", Args{0, 0, 5}, true}, {"poll", Args{0, 0, ^uint64(0)}, true},
		{"ppoll", Args{0, 0, 0x1000}, false}, {"ppoll", Args{0, 0, 0x1010}, true}, {"ppoll", Args{0, 0, 0}, true},
		{"select", Args{0, 0, 0, 0, 0x1000}, false}, {"select", Args{0, 0, 0, 0, 0xdead0000}, true},
		{"futex", Args{0, 0}, true}, {"futex", Args{0, 1}, false}, {"futex", Args{0, 9 | 128}, true}, {"futex", Args{0, 129}, false},
		{"futex", Args{0, 6}, true}, {"futex", Args{0, 7}, false},
		{"wait4", Args{0, 0, 1}, false}, {"wait4", Args{0, 0, 0}, true},
		{"flock", Args{3, 2}, true}, {"flock", Args{3, 6}, false},
		{"fcntl", Args{3, 7}, true}, {"fcntl", Args{3, 6}, false}, {"fcntl", Args{3, 4711}, true},
		{"ioctl", Args{3, 0x5401}, false}, {"ioctl", Args{3, 0x5409}, true}, {"ioctl", Args{3, 0xc0186444}, true},
		{"recvfrom", Args{3, 0, 0, 0x40}, false}, {"recvfrom", Args{3, 0, 0, 0}, true},
		{"epoll_wait", Args{3, 0, 5, 0}, false}, {"epoll_wait", Args{3, 0, 5, 0xffffffff}, true},
		{"io_uring_enter", Args{}, false},
	} {
		if got := row(t, c.name).MayBlock(c.a, m); got != c.want {
			t.Errorf("%s: may block %v", FormatCall(int64(row(t, c.name).Nr), c.a, nil), got)
		}
	}
}

func TestAnswer(t *testing.T) {
	for _, c := range []struct {
		name string
		a    Args
		ret  int64
		ok   bool
	}{
		{"clone3", Args{}, -38, true},
		{"rseq", Args{}, -38, true},
		{"bpf", Args{}, -1, true},
		{"getpid", Args{}, 0, false},
		{"prctl", Args{4, 0}, 0, true},
		{"prctl", Args{4, 1}, 0, false},
		{"prctl", Args{26, 1}, 0, false},
		{"prctl", Args{26, 2}, -22, true},
		{"madvise", Args{0, 0, 8}, 0, true},
		{"madvise", Args{0, 0, 18}, -22, true},
		{"madvise", Args{0, 0, 4}, 0, false},
		{"seccomp", Args{1, 0, 0x1000}, 0, true},
		{"seccomp", Args{1, 0, 0}, 0, false}, // the kernel is to complain
		{"ptrace", Args{0}, -1, true},
		{"ptrace", Args{16}, 0, false},
	} {
		ret, why, ok := row(t, c.name).Answer(c.a)
		if ok != c.ok || ret != c.ret || ok != (why != "") {
			t.Errorf("%s: %d %q %v", FormatCall(int64(row(t, c.name).Nr), c.a, nil), ret, why, ok)
		}
	}
}

func TestChangesFile(t *testing.T) {
	for _, c := range []struct {
		name string
		a    Args
		fd   int
		ok   bool
	}{
		{"write", Args{7}, 7, true},
		{"splice", Args{1, 0, 9}, 9, true},
		{"openat", Args{0, 0, unix.O_TRUNC | unix.O_RDWR}, -1, true},
		{"openat", Args{0, 0, unix.O_RDWR}, 0, false},
		{"truncate", Args{0, 5}, -1, true},
		{"ioctl", Args{4, 0x40049409}, 4, true},
		{"ioctl", Args{4, 0x5401}, 0, false},
		{"read", Args{7}, 0, false},
	} {
		fd, ok := row(t, c.name).ChangesFile(c.a)
		if ok != c.ok || ok && fd != c.fd {
			t.Errorf("%s: %d %v", c.name, fd, ok)
		}
	}
}

func TestRobustWords(t *testing.T) {
	m := newSpace()
	m.words(0x1000, 0x1100, 0xffffffffffffffe0, 0x1301) // head: offset -32, pending a PI lock
	m.words(0x1100, 0x1201)
	m.words(0x1200, 0x1000)
	want := []Range{{0x10e0, 4}, {0x11e0, 4}, {0x12e0, 4}}
	if d := cmp.Diff(want, RobustWords(0x1000, m)); d != "" {
		t.Error(d)
	}
	m.words(0x1200, 0x1200) // a circle that misses the head
	if n := len(RobustWords(0x1000, m)); n != maxRobust+1 {
		t.Errorf("%d words of a circular list", n)
	}
	if RobustWords(0, m) != nil || RobustWords(0xdead0000, m) != nil {
		t.Error("words of no list")
	}
}

func TestFormat(t *testing.T) {
	m := newSpace()
	m.write(0x1000, []byte("/etc/\"passwd\"\n\x00"))
	m.write(0x4f00, bytesOf('x', 0x100))
	for _, c := range []struct {
		nr   int64
		a    Args
		ret  int64
		want string
	}{
		{257, Args{0xffffff9c, 0x1000, 0}, 3, `openat(AT_FDCWD, "/etc/\"passwd\"\n", O_RDONLY, 0) = 3`},
		{2, Args{0x4f00, 0o101, 0o644}, -13, `open("` + string(bytesOf('x', 0x100)) + `"..., O_WRONLY|O_CREAT, 0644) = -EACCES`},
		{2, Args{0xdead0000, 0o4010102}, -14, `open(0xdead0000, O_RDWR|O_CREAT|O_SYNC, 0) = -EFAULT`},
		{9, Args{0, 4096, 3, 0x22, 0xffffffff}, 0x7f0000001000, `mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000001000`},
		{202, Args{0x1000, 0x80, 2}, -11, `futex(0x1000, FUTEX_WAIT|FUTEX_PRIVATE_FLAG, 0x2, 0, NULL, 0) = -EAGAIN`},
		{16, Args{1, 0x5413, 0x2000}, 0, `ioctl(1, TIOCGWINSZ, 0x2000) = 0`},
		{16, Args{1, 0x1234567, 0x2000}, -25, `ioctl(1, 0x1234567, 0x2000) = -ENOTTY`},
		{62, Args{100, 9}, 0, `kill(100, SIGKILL) = 0`},
		{13, Args{40, 0, 0, 8}, 0, `rt_sigaction(40, NULL, NULL, 8) = 0`},
		{39, Args{}, 4711, `getpid() = 4711`},
		{34, Args{}, -514, `pause() = ? ERESTARTNOHAND`},
		{5000, Args{1, 2}, -38, `syscall_5000(0x1, 0x2, 0, 0, 0, 0) = -ENOSYS`},
		{8, Args{3, ^uint64(0), 1}, 1 << 40, `lseek(3, -1, 1) = 0x10000000000`},
	} {
		if got := Format(c.nr, c.a, c.ret, m); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	if got := Format(2, Args{0x1000}, 3, nil); got != "open(0x1000, O_RDONLY, 0) = 3" {
		t.Error(got)
	}
}

func bytesOf(c byte, n int) []byte {
	return slices.Repeat([]byte{c}, n)
}

// apply does what a recorder does: the kernel's part is played by kernel, which
// gets the arguments that the kernel would get.
func apply(t *testing.T, m space, d *Redirection, ret int64, kernel func(a Args)) {
	t.Helper()
	for _, p := range d.Init {
		m.write(p.Addr, p.Data)
	}
	kernel(d.Args)
	for _, mv := range d.Outputs(ret, m) {
		b := make([]byte, mv.Len)
		if n, _ := m.Read(mv.Tmp, b); n != len(b) {
			t.Fatalf("move %x: read %d", mv, n)
		}
		m.write(mv.Addr, b)
	}
}

func TestRedirect(t *testing.T) {
	scratch := Range{0x100000, 0x10000}
	u64 := func(m space, addr uint64) uint64 {
		var b [8]byte
		m.Read(addr, b[:])
		return binary.LittleEndian.Uint64(b[:])
	}
	str := func(m space, addr uint64, n int) string {
		b := make([]byte, n)
		m.Read(addr, b)
		return string(b)
	}

	t.Run("read", func(t *testing.T) {
		m := newSpace()
		m.write(0x2001, []byte("before"))
		d, _ := row(t, "read").Redirect(Args{3, 0x2001, 100}, m, scratch)
		if d == nil || d.Args[1] < scratch.Addr || len(d.Init) != 0 {
			t.Fatalf("%+v", d)
		}
		apply(t, m, d, 3, func(a Args) { m.write(a[1], []byte("new?")) })
		if got := str(m, 0x2001, 6); got != "newore" {
			t.Errorf("%q", got)
		}
	})
	t.Run("recvmsg", func(t *testing.T) {
		m := newSpace()
		m.words(0x1000, 0x2000, 4, 0x2100, 50)
		m.words(0x1100, 0x2800, 16, 0x1000, 2, 0x2900, 64, 0)
		d, _ := row(t, "recvmsg").Redirect(Args{3, 0x1100, 0}, m, scratch)
		if d == nil {
			t.Fatal("not redirected")
		}
		apply(t, m, d, 6, func(a Args) {
			h := a[1]
			name, iov, ctl := u64(m, h), u64(m, h+16), u64(m, h+32)
			for _, p := range []uint64{h, name, iov, ctl, u64(m, iov), u64(m, iov+16)} {
				if p < scratch.Addr || p >= scratch.Addr+scratch.Len {
					t.Errorf("the kernel gets a pointer %#x of the program's own", p)
				}
			}
			m.write(u64(m, iov), []byte("abcd"))
			m.write(u64(m, iov+16), []byte("ef"))
			m.write(name, []byte("0123456789abcdef"))
			m.write(h+8, []byte{28, 0, 0, 0}) // longer than the room for it
			m.words(h+40, 24)
			m.write(ctl, []byte("control message, 24 byte"))
			m.words(h+48, 8)
		})
		if got := str(m, 0x2000, 4) + str(m, 0x2100, 3); got != "abcdef\x00" {
			t.Errorf("data %q", got)
		}
		if got := str(m, 0x2800, 20); got != "0123456789abcdef\x00\x00\x00\x00" {
			t.Errorf("name %q", got)
		}
		if got := str(m, 0x2900, 25); got != "control message, 24 byte\x00" {
			t.Errorf("control %q", got)
		}
		want := []uint64{0x2800, 28, 0x1000, 2, 0x2900, 24, 8}
		for i, w := range want {
			if got := u64(m, 0x1100+8*uint64(i)); got != w {
				t.Errorf("msghdr word %d: %#x, want %#x", i, got, w)
			}
		}
	})
	t.Run("poll", func(t *testing.T) {
		m := newSpace()
		m.words(0x2000, 0x0001_0000_0003, 0x0001_0000_0004)
		d, _ := row(t, "poll").Redirect(Args{0x2000, 2, 100}, m, scratch)
		m.words(0x2000, 0x0005_0000_0003) // another thread changes events meanwhile
		apply(t, m, d, 1, func(a Args) {
			if u64(m, a[0]+8) != 0x0001_0000_0004 {
				t.Errorf("the kernel reads %#x", u64(m, a[0]+8))
			}
			m.write(a[0]+6, []byte{1, 0})
		})
		if got := u64(m, 0x2000); got != 0x0001_0005_0000_0003 {
			t.Errorf("%#x", got)
		}
	})
	t.Run("not", func(t *testing.T) {
		m := newSpace()
		for _, c := range []struct {
			name string
			a    Args
			need bool
		}{
			{"read", Args{3, 0x2000, 0x20000}, false}, // beyond mapped memory
			{"read", Args{3, 0xdead0000, 100}, false},
			{"getpid", Args{}, false},                     // nothing to redirect
			{"futex", Args{0x2000, 6}, false},             // must stay in place
			{"clone3", Args{0x2000}, false},               // refused
			{"clone", Args{0x100000, 0, 0x2000}, false},   // special
			{"ioctl", Args{3, 0xc0186444, 0x2000}, false}, // not known
			{"syscall_500", Args{3, 0xc0186444, 0x2}, false},
		} {
			r := Lookup(500)
			if c.name != r.Name {
				r = row(t, c.name)
			}
			if d, _ := r.Redirect(c.a, m, scratch); d != nil {
				t.Errorf("%s: redirected %+v", c.name, d)
			}
		}
		if d, need := row(t, "read").Redirect(Args{3, 0x2000, 0x1000}, m, Range{0x100000, 0x800}); d != nil || need != 0x1000 {
			t.Errorf("small scratch: %v, need %#x", d, need)
		}
	})
}

// FuzzRows throws arbitrary arguments, results and memory at every function:
// nothing may panic, take unbounded time or contradict itself.
func FuzzRows(f *testing.F) {
	f.Add(int64(47), uint64(3), uint64(0x1000), uint64(2), uint64(0), int64(5), []byte{0, 0x10, 0, 0, 0, 0, 0, 0, 100})
	f.Add(int64(299), uint64(3), uint64(0x1000), uint64(0xffffffff), uint64(0x1008), int64(1<<62), []byte{8, 0x10})
	f.Add(int64(16), uint64(3), uint64(0xc020660b), ^uint64(0), uint64(0), int64(-14), []byte("ffffffffffffffffffffffffffffffffffff"))
	f.Fuzz(func(t *testing.T, nr int64, a0, a1, a2, a3 uint64, ret int64, mem []byte) {
		m := space{0x1000: append(mem, make([]byte, 64)...), 0x100000: make([]byte, 0x1000)}
		a := Args{a0, a1, a2, a3, a0 ^ a1, a2}
		r := Lookup(nr % 500)
		known := r.Known(a, m)
		out, ok := r.Outputs(a, ret, m)
		if known && !ok {
			t.Errorf("%s: known at entry, not at the end", FormatCall(int64(r.Nr), a, m))
		}
		for _, o := range out {
			if o.Len == 0 || o.Len > maxRW || o.Addr+o.Len-1 < o.Addr {
				t.Errorf("range %x", o)
			}
		}
		r.MayBlock(a, m)
		r.OutputBuffers(a, m)
		r.EnterOutputs(a, m)
		r.ChangesFile(a)
		Format(nr, a, ret, m)
		RobustWords(a0, m)
		if d, _ := r.Redirect(a, m, Range{0x100000, 0x1000}); d != nil {
			for _, p := range d.Init {
				if p.Addr < 0x100000 || p.Addr+uint64(len(p.Data)) > 0x101000 {
					t.Errorf("init outside the scratch memory: %#x", p.Addr)
				}
			}
			for _, mv := range d.Outputs(ret, m) {
				if mv.Len == 0 {
					t.Errorf("empty move %x", mv)
				}
			}
		}
	})
}
