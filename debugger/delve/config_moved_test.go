package delve

import "testing"

// A path that was translated is translated to itself, though it lies below a
// directory that is translated too.
func TestLocalTwice(t *testing.T) {
	c := config{substitute: [][2]string{{"/tmp", "/tmp/x/source/tmp"}}}
	once := c.local("/tmp/a.go")
	if once != "/tmp/x/source/tmp/a.go" || c.local(once) != once {
		t.Errorf("%q, then %q", once, c.local(once))
	}
}
