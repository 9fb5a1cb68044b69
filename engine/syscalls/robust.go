package syscalls

// maxRobust is ROBUST_LIST_LIMIT: the kernel stops there too.
const maxRobust = 2048

// RobustWords returns the futex words that the kernel may write when the thread
// whose robust list starts at head dies: those of the locks it may still hold.
// head is what the thread gave to set_robust_list, 0 for none. Whether a word
// is written depends on who owns it; all are returned.
func RobustWords(head uint64, m Mem) []Range {
	if head == 0 {
		return nil
	}
	// struct robust_list_head: the first entry, the offset from an entry to its
	// futex word, and an entry being locked or unlocked. Bit 0 of an entry's
	// address marks a priority-inheritance lock.
	var b [24]byte
	if n, _ := m.Read(head, b[:]); n != len(b) {
		return nil
	}
	entry, offset, pending := le.Uint64(b[:]), le.Uint64(b[8:]), le.Uint64(b[16:])
	var words []Range
	for range maxRobust {
		e := entry &^ 1
		if e == head || e == 0 {
			break
		}
		words = append(words, Range{e + offset, 4})
		var next [8]byte
		if n, _ := m.Read(e, next[:]); n != len(next) {
			break
		}
		entry = le.Uint64(next[:])
	}
	if p := pending &^ 1; p != 0 {
		words = append(words, Range{p + offset, 4})
	}
	return words
}
