package syscalls

// The table of ioctls. A request number means the same on every kind of file
// that the table covers; a number that is not listed is decoded only for types
// whose encoded size is known to be all that the kernel writes. Anything else
// is compared.
var ioctls = sub{name: "ioctl", arg: 1, mask: mask32, strict: true, generic: ioctlGeneric, ops: []op{
	// Terminals (asm-generic/ioctls.h).
	{val: 0x5401, name: "TCGETS", outs: outs(fix(2, 36))},
	{val: 0x5402, name: "TCSETS"},
	{val: 0x5403, name: "TCSETSW", wait: waits},
	{val: 0x5404, name: "TCSETSF", wait: waits},
	{val: 0x5405, name: "TCGETA", outs: outs(fix(2, 18))},
	{val: 0x5406, name: "TCSETA"},
	{val: 0x5407, name: "TCSETAW", wait: waits},
	{val: 0x5408, name: "TCSETAF", wait: waits},
	{val: 0x5409, name: "TCSBRK", wait: waits},
	{val: 0x540a, name: "TCXONC"},
	{val: 0x540b, name: "TCFLSH"},
	{val: 0x540c, name: "TIOCEXCL"},
	{val: 0x540d, name: "TIOCNXCL"},
	{val: 0x540e, name: "TIOCSCTTY"},
	{val: 0x540f, name: "TIOCGPGRP", outs: outs(fix(2, 4))},
	{val: 0x5410, name: "TIOCSPGRP"},
	{val: 0x5411, name: "TIOCOUTQ", outs: outs(fix(2, 4))},
	{val: 0x5412, name: "TIOCSTI"},
	{val: 0x5413, name: "TIOCGWINSZ", outs: outs(fix(2, 8))},
	{val: 0x5414, name: "TIOCSWINSZ"},
	{val: 0x5415, name: "TIOCMGET", outs: outs(fix(2, 4))},
	{val: 0x5416, name: "TIOCMBIS"},
	{val: 0x5417, name: "TIOCMBIC"},
	{val: 0x5418, name: "TIOCMSET"},
	{val: 0x5419, name: "TIOCGSOFTCAR", outs: outs(fix(2, 4))},
	{val: 0x541a, name: "TIOCSSOFTCAR"},
	{val: 0x541b, name: "FIONREAD", outs: outs(fix(2, 4))},
	{val: 0x541c, name: "TIOCLINUX", compare: true},
	{val: 0x541d, name: "TIOCCONS"},
	{val: 0x541e, name: "TIOCGSERIAL", outs: outs(fix(2, 72))},
	{val: 0x541f, name: "TIOCSSERIAL"},
	{val: 0x5420, name: "TIOCPKT"},
	{val: 0x5421, name: "FIONBIO"},
	{val: 0x5422, name: "TIOCNOTTY"},
	{val: 0x5423, name: "TIOCSETD"},
	{val: 0x5424, name: "TIOCGETD", outs: outs(fix(2, 4))},
	{val: 0x5425, name: "TCSBRKP", wait: waits},
	{val: 0x5427, name: "TIOCSBRK"},
	{val: 0x5428, name: "TIOCCBRK"},
	{val: 0x5429, name: "TIOCGSID", outs: outs(fix(2, 4))},
	{val: 0x802c542a, name: "TCGETS2", outs: outs(fix(2, 44))},
	{val: 0x402c542b, name: "TCSETS2"},
	{val: 0x402c542c, name: "TCSETSW2", wait: waits},
	{val: 0x402c542d, name: "TCSETSF2", wait: waits},
	{val: 0x542e, name: "TIOCGRS485", outs: outs(fix(2, 32))},
	{val: 0x542f, name: "TIOCSRS485", outs: outs(fix(2, 32))},
	{val: 0x80045430, name: "TIOCGPTN", outs: outs(fix(2, 4))},
	{val: 0x40045431, name: "TIOCSPTLCK"},
	{val: 0x80045432, name: "TIOCGDEV", outs: outs(fix(2, 4))},
	{val: 0x5432, name: "TCGETX", outs: outs(fix(2, 16))},
	{val: 0x5433, name: "TCSETX"},
	{val: 0x5434, name: "TCSETXF", wait: waits},
	{val: 0x5435, name: "TCSETXW", wait: waits},
	{val: 0x40045436, name: "TIOCSIG"},
	{val: 0x5437, name: "TIOCVHANGUP"},
	{val: 0x80045438, name: "TIOCGPKT", outs: outs(fix(2, 4))},
	{val: 0x80045439, name: "TIOCGPTLCK", outs: outs(fix(2, 4))},
	{val: 0x80045440, name: "TIOCGEXCL", outs: outs(fix(2, 4))},
	{val: 0x5441, name: "TIOCGPTPEER"},
	{val: 0x5450, name: "FIONCLEX"},
	{val: 0x5451, name: "FIOCLEX"},
	{val: 0x5452, name: "FIOASYNC"},
	{val: 0x5453, name: "TIOCSERCONFIG"},
	{val: 0x5459, name: "TIOCSERGETLSR", outs: outs(fix(2, 4))},
	{val: 0x545c, name: "TIOCMIWAIT", wait: waits},
	{val: 0x545d, name: "TIOCGICOUNT", outs: outs(fix(2, 80))},
	{val: 0x5460, name: "FIOQSIZE", outs: outs(fix(2, 8))},

	// Virtual consoles (linux/kd.h, linux/vt.h).
	{val: 0x4b2f, name: "KIOCSOUND"},
	{val: 0x4b30, name: "KDMKTONE"},
	{val: 0x4b31, name: "KDGETLED", outs: outs(fix(2, 1))},
	{val: 0x4b32, name: "KDSETLED"},
	{val: 0x4b33, name: "KDGKBTYPE", outs: outs(fix(2, 1))},
	{val: 0x4b3a, name: "KDSETMODE"},
	{val: 0x4b3b, name: "KDGETMODE", outs: outs(fix(2, 4))},
	{val: 0x4b40, name: "GIO_SCRNMAP", outs: outs(fix(2, 256))},
	{val: 0x4b44, name: "KDGKBMODE", outs: outs(fix(2, 4))},
	{val: 0x4b45, name: "KDSKBMODE"},
	{val: 0x4b46, name: "KDGKBENT", outs: outs(fix(2, 4))},
	{val: 0x4b62, name: "KDGKBMETA", outs: outs(fix(2, 4))},
	{val: 0x4b63, name: "KDSKBMETA"},
	{val: 0x4b64, name: "KDGKBLED", outs: outs(fix(2, 1))},
	{val: 0x4b65, name: "KDSKBLED"},
	{val: 0x5600, name: "VT_OPENQRY", outs: outs(fix(2, 4))},
	{val: 0x5601, name: "VT_GETMODE", outs: outs(fix(2, 8))},
	{val: 0x5602, name: "VT_SETMODE"},
	{val: 0x5603, name: "VT_GETSTATE", outs: outs(fix(2, 6))},
	{val: 0x5605, name: "VT_RELDISP", wait: waits},
	{val: 0x5606, name: "VT_ACTIVATE"},
	{val: 0x5607, name: "VT_WAITACTIVE", wait: waits},
	{val: 0x5608, name: "VT_DISALLOCATE"},

	// Sockets (linux/sockios.h).
	{val: 0x8901, name: "FIOSETOWN"},
	{val: 0x8902, name: "SIOCSPGRP"},
	{val: 0x8903, name: "FIOGETOWN", outs: outs(fix(2, 4))},
	{val: 0x8904, name: "SIOCGPGRP", outs: outs(fix(2, 4))},
	{val: 0x8905, name: "SIOCATMARK", outs: outs(fix(2, 4))},
	{val: 0x8906, name: "SIOCGSTAMP", outs: outs(fix(2, 16))},
	{val: 0x8907, name: "SIOCGSTAMPNS", outs: outs(fix(2, 16))},
	{val: 0x80108906, name: "SIOCGSTAMP_NEW", outs: outs(fix(2, 16))},
	{val: 0x80108907, name: "SIOCGSTAMPNS_NEW", outs: outs(fix(2, 16))},
	{val: 0x890b, name: "SIOCADDRT"},
	{val: 0x890c, name: "SIOCDELRT"},
	{val: 0x8910, name: "SIOCGIFNAME", outs: outs(fix(2, 40))},
	{val: 0x8911, name: "SIOCSIFLINK"},
	{val: 0x8912, name: "SIOCGIFCONF", outs: outs(fn("ifconf at a2 and its buffer", ifconfOut))},
	{val: 0x8913, name: "SIOCGIFFLAGS", outs: outs(fix(2, 40))},
	{val: 0x8914, name: "SIOCSIFFLAGS"},
	{val: 0x8915, name: "SIOCGIFADDR", outs: outs(fix(2, 40))},
	{val: 0x8916, name: "SIOCSIFADDR"},
	{val: 0x8917, name: "SIOCGIFDSTADDR", outs: outs(fix(2, 40))},
	{val: 0x8918, name: "SIOCSIFDSTADDR"},
	{val: 0x8919, name: "SIOCGIFBRDADDR", outs: outs(fix(2, 40))},
	{val: 0x891a, name: "SIOCSIFBRDADDR"},
	{val: 0x891b, name: "SIOCGIFNETMASK", outs: outs(fix(2, 40))},
	{val: 0x891c, name: "SIOCSIFNETMASK"},
	{val: 0x891d, name: "SIOCGIFMETRIC", outs: outs(fix(2, 40))},
	{val: 0x891e, name: "SIOCSIFMETRIC"},
	{val: 0x8921, name: "SIOCGIFMTU", outs: outs(fix(2, 40))},
	{val: 0x8922, name: "SIOCSIFMTU"},
	{val: 0x8923, name: "SIOCSIFNAME"},
	{val: 0x8924, name: "SIOCSIFHWADDR"},
	{val: 0x8927, name: "SIOCGIFHWADDR", outs: outs(fix(2, 40))},
	{val: 0x8929, name: "SIOCGIFSLAVE", outs: outs(fix(2, 40))},
	{val: 0x8933, name: "SIOCGIFINDEX", outs: outs(fix(2, 40))},
	{val: 0x8942, name: "SIOCGIFTXQLEN", outs: outs(fix(2, 40))},
	{val: 0x8943, name: "SIOCSIFTXQLEN"},
	{val: 0x8946, name: "SIOCETHTOOL", compare: true},
	{val: 0x894b, name: "SIOCOUTQNSD", outs: outs(fix(2, 4))},
	{val: 0x894c, name: "SIOCGSKNS"},
	{val: 0x8954, name: "SIOCGARP", outs: outs(fix(2, 68))},
	{val: 0x8970, name: "SIOCGIFMAP", outs: outs(fix(2, 40))},
	{val: 0x89e0, name: "SIOCUNIXFILE"}, // SIOCPROTOPRIVATE

	// Block devices and files (linux/fs.h).
	{val: 0x0001, name: "FIBMAP", outs: outs(fix(2, 4))},
	{val: 0x0002, name: "FIGETBSZ", outs: outs(fix(2, 4))},
	{val: 0x125d, name: "BLKROSET"},
	{val: 0x125e, name: "BLKROGET", outs: outs(fix(2, 4))},
	{val: 0x125f, name: "BLKRRPART"},
	{val: 0x1260, name: "BLKGETSIZE", outs: outs(fix(2, 8))},
	{val: 0x1261, name: "BLKFLSBUF"},
	{val: 0x1262, name: "BLKRASET"},
	{val: 0x1263, name: "BLKRAGET", outs: outs(fix(2, 8))},
	{val: 0x1264, name: "BLKFRASET"},
	{val: 0x1265, name: "BLKFRAGET", outs: outs(fix(2, 8))},
	{val: 0x1267, name: "BLKSECTGET", outs: outs(fix(2, 2))},
	{val: 0x1268, name: "BLKSSZGET", outs: outs(fix(2, 4))},
	{val: 0x80081270, name: "BLKBSZGET", outs: outs(fix(2, 8))},
	{val: 0x40081271, name: "BLKBSZSET"},
	{val: 0x80081272, name: "BLKGETSIZE64", outs: outs(fix(2, 8))},
	{val: 0x1277, name: "BLKDISCARD"},
	{val: 0x1278, name: "BLKIOMIN", outs: outs(fix(2, 4))},
	{val: 0x1279, name: "BLKIOOPT", outs: outs(fix(2, 4))},
	{val: 0x127a, name: "BLKALIGNOFF", outs: outs(fix(2, 4))},
	{val: 0x127b, name: "BLKPBSZGET", outs: outs(fix(2, 4))},
	{val: 0x127c, name: "BLKDISCARDZEROES", outs: outs(fix(2, 4))},
	{val: 0x127e, name: "BLKROTATIONAL", outs: outs(fix(2, 2))},
	{val: 0x127f, name: "BLKZEROOUT"},
	{val: 0x80081280, name: "BLKGETDISKSEQ", outs: outs(fix(2, 8))},
	{val: 0x0301, name: "HDIO_GETGEO", outs: outs(fix(2, 16))},
	{val: 0x40049409, name: "FICLONE", file: fileAt(0)},
	{val: 0x4020940d, name: "FICLONERANGE", file: fileAt(0)},
	{val: 0xc0189436, name: "FIDEDUPERANGE", outs: outs(fn("file_dedupe_range at a2", dedupeOut).always())},
	{val: 0xc020660b, name: "FS_IOC_FIEMAP", outs: outs(fn("fiemap at a2", fiemapOut).always())},
	{val: 0xc0045877, name: "FIFREEZE"},
	{val: 0xc0045878, name: "FITHAW"},
	{val: 0xc0185879, name: "FITRIM", outs: outs(fix(2, 24))},
	{val: 0x80086601, name: "FS_IOC_GETFLAGS", outs: outs(fix(2, 8))},
	{val: 0x40086602, name: "FS_IOC_SETFLAGS"},
	{val: 0x80087601, name: "FS_IOC_GETVERSION", outs: outs(fix(2, 8))},
	{val: 0x40087602, name: "FS_IOC_SETVERSION"},
	{val: 0x801c581f, name: "FS_IOC_FSGETXATTR", outs: outs(fix(2, 28))},
	{val: 0x401c5820, name: "FS_IOC_FSSETXATTR"},
	{val: 0x81009431, name: "FS_IOC_GETFSLABEL", outs: outs(fix(2, 256))},
	{val: 0x41009432, name: "FS_IOC_SETFSLABEL"},
	{val: 0x80111500, name: "FS_IOC_GETFSUUID", outs: outs(fix(2, 17))},
	{val: 0x80811501, name: "FS_IOC_GETFSSYSFSPATH", outs: outs(fix(2, 129))},

	// Random numbers (linux/random.h).
	{val: 0x80045200, name: "RNDGETENTCNT", outs: outs(fix(2, 4))},
	{val: 0x40045201, name: "RNDADDTOENTCNT"},
	{val: 0x40085203, name: "RNDADDENTROPY"},
	{val: 0x5204, name: "RNDZAPENTCNT"},
	{val: 0x5206, name: "RNDCLEARPOOL"},
	{val: 0x5207, name: "RNDRESEEDCRNG"},

	// Namespaces, pidfds, timerfds, epoll, userfaultfd's API, tun.
	{val: 0xb701, name: "NS_GET_USERNS"},
	{val: 0xb702, name: "NS_GET_PARENT"},
	{val: 0xb703, name: "NS_GET_NSTYPE"},
	{val: 0xb704, name: "NS_GET_OWNER_UID", outs: outs(fix(2, 4))},
	{val: 0x40085400, name: "TFD_IOC_SET_TICKS"},
	{val: 0x40088a01, name: "EPIOCSPARAMS"},
	{val: 0x80088a02, name: "EPIOCGPARAMS", outs: outs(fix(2, 8))},
	{val: 0x400454ca, name: "TUNSETIFF", outs: outs(fix(2, 40))},
	{val: 0x400454cb, name: "TUNSETPERSIST"},
	{val: 0x800454cf, name: "TUNGETFEATURES", outs: outs(fix(2, 4))},
	{val: 0x800454d2, name: "TUNGETIFF", outs: outs(fix(2, 40))},
	{val: 0x800454d3, name: "TUNGETSNDBUF", outs: outs(fix(2, 4))},

	// Inotify's only request is Linux's own.
	{val: 0x40044900, name: "INOTIFY_IOC_SETNEXTWD"},
}}

// Fields of a request number (asm-generic/ioctl.h).
const (
	iocWrite = 1 // the kernel reads
	iocRead  = 2 // the kernel writes
)

// honest are the types (bits 8 to 15) all of whose requests carry the size and
// direction of one flat structure, when they carry a size at all.
var honest = map[uint64]string{
	'E':  "evdev",
	'p':  "rtc",
	'W':  "watchdog",
	'H':  "hidraw",
	0xff: "pidfd",
}

func ioctlGeneric(v uint64) *op {
	typ, size, dir := v>>8&0xff, v>>16&0x3fff, v>>30
	if honest[typ] == "" || size == 0 || dir == 0 {
		return nil
	}
	o := op{val: v, name: honest[typ] + " request", wait: waits}
	if dir&iocRead != 0 {
		o.outs = outs(fix(2, size).always().inout())
	}
	return &o
}

// ifconfOut: struct ifconf is a length, which the kernel updates, and a buffer.
func ifconfOut(c *ctx) {
	var b [16]byte
	if !c.read(c.a[2], b[:]) {
		return
	}
	if c.walk {
		c.reads = append(c.reads, Range{c.a[2] + 8, 8})
	}
	c.add(c.a[2], 4)
	if n := int32(le.Uint32(b[:])); n > 0 {
		c.add(le.Uint64(b[8:]), uint64(n))
	}
}

// fiemapOut: struct fiemap is 32 bytes, of which the kernel updates some, and
// fm_extent_count extents of 56 bytes.
func fiemapOut(c *ctx) {
	n, ok := c.u32(c.a[2] + 24)
	if !ok {
		return
	}
	c.add(c.a[2], 32+mul(uint64(n), 56))
}

// dedupeOut: struct file_dedupe_range is 24 bytes and dest_count entries of 32.
func dedupeOut(c *ctx) {
	n, ok := c.u32(c.a[2] + 16)
	if !ok {
		return
	}
	c.add(c.a[2], 24+32*uint64(n&0xffff))
}
