package trace

// frameCache keeps the frames used last, bounded by what they take in memory.
// The zero value with limit set is ready. It does no locking.
type frameCache struct {
	limit, used int
	byFirst     map[int64]*cached
	head        cached // of a ring: head.next is the newest
}

type cached struct {
	f          *frame
	prev, next *cached
}

func (c *frameCache) get(first int64) *frame {
	e := c.byFirst[first]
	if e == nil {
		return nil
	}
	c.unlink(e)
	c.front(e)
	return e.f
}

// put adds f, unless it alone would fill more than half of the cache.
func (c *frameCache) put(f *frame) {
	if c.byFirst == nil {
		c.byFirst = map[int64]*cached{}
		c.head.prev, c.head.next = &c.head, &c.head
	}
	if c.byFirst[f.info.first] != nil || f.bytes() > c.limit/2 {
		return
	}
	e := &cached{f: f}
	c.byFirst[f.info.first] = e
	c.front(e)
	c.used += f.bytes()
	for c.used > c.limit {
		old := c.head.prev
		c.unlink(old)
		delete(c.byFirst, old.f.info.first)
		c.used -= old.f.bytes()
	}
}

func (c *frameCache) unlink(e *cached) {
	e.prev.next, e.next.prev = e.next, e.prev
}

func (c *frameCache) front(e *cached) {
	e.prev, e.next = &c.head, c.head.next
	e.prev.next, e.next.prev = e, e
}
