package gdbmi

import "sync"

// queue is an unbounded queue: put never waits, so its writer never blocks on
// its reader.
type queue[T any] struct {
	mu     sync.Mutex
	more   sync.Cond
	items  []T
	closed bool
}

func newQueue[T any]() *queue[T] {
	q := &queue[T]{}
	q.more.L = &q.mu
	return q
}

// put adds an item; on a closed queue it does nothing and returns false.
func (q *queue[T]) put(item T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.items = append(q.items, item)
	q.more.Signal()
	return true
}

// close lets get return false once the items put so far are taken.
func (q *queue[T]) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.more.Broadcast()
}

// take waits for items and returns all there are, in order; ok is false when
// the queue is closed and empty.
func (q *queue[T]) take() (items []T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 {
		if q.closed {
			return nil, false
		}
		q.more.Wait()
	}
	items, q.items = q.items, nil
	return items, true
}
