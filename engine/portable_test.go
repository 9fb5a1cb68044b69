package engine

import (
	"slices"
	"testing"
)

func TestPortableEnv(t *testing.T) {
	for _, c := range []struct{ env, want []string }{
		{[]string{"A=b"}, []string{"A=b", "GLIBC_TUNABLES=" + portableGlibc, "GODEBUG=" + portableGo}},
		{[]string{"GODEBUG=gctrace=1", "GLIBC_TUNABLES=glibc.malloc.check=3", "A=b"},
			[]string{"A=b", "GLIBC_TUNABLES=glibc.malloc.check=3:" + portableGlibc, "GODEBUG=gctrace=1," + portableGo}},
		{[]string{"GODEBUG=", "GLIBC_TUNABLES="}, []string{"GLIBC_TUNABLES=" + portableGlibc, "GODEBUG=" + portableGo}},
	} {
		got := PortableEnv(c.env)
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.env, got, c.want)
		}
		if !portable(got) || portable(c.env) {
			t.Errorf("%q is not told from %q", got, c.env)
		}
	}
}
