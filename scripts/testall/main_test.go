package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	// The stream of a package with a test that passes, one skipped with a
	// reason, a failing subtest, and of a package that died.
	stream := `{"Action":"build-output","ImportPath":"y/b","Output":"b.go:1: broken\n"}
{"Action":"run","Package":"y/a","Test":"TestOK"}
{"Action":"output","Package":"y/a","Test":"TestOK","Output":"=== RUN   TestOK\n"}
{"Action":"output","Package":"y/a","Test":"TestOK","Output":"    a_test.go:3: quiet\n"}
{"Action":"pass","Package":"y/a","Test":"TestOK"}
{"Action":"output","Package":"y/a","Test":"TestSkip","Output":"    a_test.go:7: skipped: no gdb\n"}
{"Action":"output","Package":"y/a","Test":"TestSkip","Output":"--- SKIP: TestSkip (0.00s)\n"}
{"Action":"skip","Package":"y/a","Test":"TestSkip"}
{"Action":"output","Package":"y/a","Test":"TestBad/sub","Output":"    a_test.go:9: wrong\n"}
{"Action":"output","Package":"y/a","Test":"TestBad","Output":"--- FAIL: TestBad (0.00s)\n"}
{"Action":"output","Package":"y/a","Test":"TestBad/sub","Output":"    --- FAIL: TestBad/sub (0.00s)\n"}
{"Action":"fail","Package":"y/a","Test":"TestBad/sub"}
{"Action":"fail","Package":"y/a","Test":"TestBad"}
{"Action":"output","Package":"y/a","Output":"FAIL\n"}
{"Action":"output","Package":"y/a","Output":"FAIL\ty/a\t0.1s\n"}
{"Action":"fail","Package":"y/a"}
{"Action":"output","Package":"y/c","Test":"TestDies","Output":"panic: oh\n"}
{"Action":"output","Package":"y/c","Output":"FAIL\ty/c\t0.1s\n"}
{"Action":"fail","Package":"y/c"}
{"Action":"output","Package":"y/d","Output":"PASS\n"}
{"Action":"output","Package":"y/d","Output":"ok  \ty/d\t0.1s\n"}
not json
{"Action":"pass","Package":"y/d"}`
	const want = `b.go:1: broken
    a_test.go:9: wrong
--- FAIL: TestBad (0.00s)
    --- FAIL: TestBad/sub (0.00s)
FAIL
FAIL	y/a	0.1s
FAIL	y/c	0.1s
panic: oh
ok  	y/d	0.1s
not json
skipped:
  y/a TestSkip: no gdb
tests: 1 passed, 2 failed, 1 skipped
`
	var b strings.Builder
	r := newReport(&b)
	if err := r.read(strings.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	r.close()
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
