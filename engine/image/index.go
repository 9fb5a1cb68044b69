package image

// index finds pages with equal content. It is a table of (part of a hash, page
// number) in buckets of eight that fill one cache line; the caller compares the
// pages themselves. Its size is bounded: when it is full, new entries displace
// old ones, and equal pages are then stored twice now and then.
type index struct {
	slots []slot
	n     int
	max   int // slots
	clock uint32
}

type slot struct {
	tag, page uint32 // page 0: empty
}

const (
	bucketSize   = 8
	minIndex     = 1 << 12
	maxIndex     = 4 << 20 // 32 MiB of memory, for 12 GiB of distinct pages
	indexTagBits = 32
)

// bucket returns the slots in which a tag may be.
func (x *index) bucket(tag uint32) []slot {
	b := int(tag) & (len(x.slots)/bucketSize - 1) * bucketSize
	return x.slots[b : b+bucketSize : b+bucketSize]
}

// find calls equal with the pages that may have the content hashed, until it
// says yes, and returns that page.
func (x *index) find(hash uint64, equal func(page uint32) bool) (uint32, bool) {
	if len(x.slots) == 0 {
		return 0, false
	}
	tag := uint32(hash >> indexTagBits)
	for _, s := range x.bucket(tag) {
		if s.page != 0 && s.tag == tag && equal(s.page) {
			return s.page, true
		}
	}
	return 0, false
}

func (x *index) add(hash uint64, page uint32) {
	if x.n*4 >= len(x.slots)*3 && len(x.slots) < x.max {
		x.grow()
	}
	x.insert(slot{uint32(hash >> indexTagBits), page})
}

func (x *index) insert(s slot) {
	b := x.bucket(s.tag)
	for i := range b {
		if b[i].page == 0 {
			b[i] = s
			x.n++
			return
		}
	}
	x.clock++
	b[x.clock%bucketSize] = s
}

func (x *index) grow() {
	old := x.slots
	x.slots = make([]slot, max(minIndex, 2*len(old)))
	x.n = 0
	for _, s := range old {
		if s.page != 0 {
			x.insert(s)
		}
	}
}
