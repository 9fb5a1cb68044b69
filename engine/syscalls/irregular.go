package syscalls

// Outputs that no plain length describes. Each adds to c what the kernel may
// have written; c.declared asks for the largest that the arguments allow.

// readOut is read and pread64. A direct read that crosses the end of a file
// writes whole blocks, although it returns only the file's bytes.
func readOut(c *ctx) {
	p, n := c.a[1], c.a[2]
	direct := p%512 == 0 && n%512 == 0
	if c.declared {
		c.in = direct
	} else {
		got := min(n, uint64(c.ret))
		if got < n && direct {
			tail := min(n, (got+4095)&^4095) - got
			if !c.precise {
				got, tail = got+tail, 0 // one range is enough for a log
			}
			c.addSoft(p+got, tail)
		}
		n = got
	}
	c.add(p, n)
}

// waitidOut: siginfo_t for a child, all but the padding behind si_code and the
// unused rest, written whatever the result is.
func waitidOut(c *ctx) {
	if c.a[2] != 0 {
		c.add(c.a[2], 12)
		c.add(c.a[2]+16, 12)
	}
}

// getsockoptOut: the length word, and as much of the value as it says now.
func getsockoptOut(c *ctx) {
	const (
		ipprotoTCP         = 6
		tcpZerocopyReceive = 35
	)
	if uint32(c.a[1]) == ipprotoTCP && uint32(c.a[2]) == tcpZerocopyReceive {
		c.unknown = true // remaps the caller's pages
		return
	}
	c.add(c.a[4], 4)
	if n, ok := c.u32(c.a[4]); ok && int32(n) > 0 {
		c.add(c.a[3], uint64(n))
	}
}

const (
	clonePidfd       = 0x1000
	cloneVM          = 0x100
	cloneParentSetid = 0x100000
	cloneChildSetid  = 0x1000000
)

func cloneOut(c *ctx) {
	f := c.a[0]
	if f&(cloneParentSetid|clonePidfd) != 0 {
		c.add(c.a[2], 4)
	}
	if f&cloneChildSetid != 0 && f&cloneVM != 0 {
		c.add(c.a[3], 4)
	}
}

// msgrcvOut: a long for the type, then the text.
func msgrcvOut(c *ctx) {
	n := c.a[2]
	if !c.declared {
		n = min(n, uint64(c.ret))
	}
	if c.a[1] != 0 && n <= maxRW-8 {
		c.add(c.a[1], 8+n)
	}
}

func syslogOut(c *ctx) {
	switch uint32(c.a[0]) {
	case 2, 3, 4: // SYSLOG_ACTION_READ, _READ_ALL, _READ_CLEAR
		n := uint64(uint32(c.a[2]))
		if !c.declared {
			n = min(n, uint64(c.ret))
		}
		c.add(c.a[1], n)
	}
}

func sysfsOut(c *ctx) {
	if uint32(c.a[0]) == 2 && c.a[2] != 0 {
		c.add(c.a[2], c.strlen(c.a[2], 64))
	}
}

// quotaOut is quotactl, whose command is argument cmd.
func quotaOut(cmd int) func(*ctx) {
	return func(c *ctx) {
		n := map[uint64]uint64{
			0x800004: 4,   // Q_GETFMT
			0x800005: 24,  // Q_GETINFO
			0x800007: 72,  // Q_GETQUOTA
			0x800009: 80,  // Q_GETNEXTQUOTA
			0x5803:   112, // Q_XGETQUOTA
			0x5805:   80,  // Q_XGETQSTAT
			0x5808:   160, // Q_XGETQSTATV
			0x5809:   112, // Q_XGETNEXTQUOTA
		}[uint64(uint32(c.a[cmd]))>>8]
		c.add(c.a[3], n)
	}
}

// struct mmsghdr is a msghdr, the length received and padding.
const mmsgSize = msgSize + 8

func recvmmsgOut(c *ctx) {
	n := uint64(uint32(c.a[2]))
	if !c.declared {
		n = min(n, uint64(c.ret))
	}
	if c.walk && c.a[1] != 0 {
		c.structs = append(c.structs, Range{c.a[1], min(n, maxMsgs) * mmsgSize})
	}
	for i := range min(n, maxMsgs) {
		p := c.a[1] + i*mmsgSize
		left := uint64(maxRW)
		if !c.declared {
			k, ok := c.u32(p + msgSize)
			if !ok {
				return
			}
			left = uint64(k)
		}
		c.add(p+msgSize, 4)
		c.msg(p, left)
	}
}

func sendmmsgOut(c *ctx) {
	n := uint64(uint32(c.a[2]))
	if !c.declared {
		n = min(n, uint64(c.ret))
	}
	if c.walk && c.a[1] != 0 {
		c.structs = append(c.structs, Range{c.a[1], min(n, maxMsgs) * mmsgSize})
	}
	for i := range min(n, maxMsgs) {
		c.add(c.a[1]+i*mmsgSize+msgSize, 4)
	}
}

// handleOut is name_to_handle_at: struct file_handle, whose first word is the
// room for the handle, then its length, and the mount's id.
func handleOut(c *ctx) {
	const (
		maxHandle   = 128  // MAX_HANDLE_SZ
		mntIDUnique = 0x01 // AT_HANDLE_MNT_ID_UNIQUE: 64 bits instead of 32
	)
	if n, ok := c.u32(c.a[2]); ok {
		c.add(c.a[2], 8+uint64(min(n, maxHandle)))
	}
	if c.a[4]&mntIDUnique != 0 {
		c.add(c.a[3], 8)
	} else {
		c.add(c.a[3], 4)
	}
}

// getxattratOut: struct xattr_args holds the value's address and size.
func getxattratOut(c *ctx) {
	var b [16]byte
	if !c.consult(c.a[4], b[:]) {
		return
	}
	n := uint64(le.Uint32(b[8:]))
	if !c.declared {
		n = min(n, uint64(c.ret))
	}
	c.add(le.Uint64(b[:]), n)
}
