//go:build ignore

// go_exec: runs other programs with os/exec: waiting for them, with pipes to and
// from them, many at once, and one that is killed by a deadline.
//
// output: echo hi, cat 12, many 6, killed true\n
package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	echo, _ := exec.Command("echo", "hi").Output()
	cat := exec.Command("cat")
	cat.Stdin = strings.NewReader("hello, world")
	out, _ := cat.Output()
	var many atomic.Int64
	var wg sync.WaitGroup
	for range 6 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if exec.Command("true").Run() == nil {
				many.Add(1)
			}
		}()
	}
	wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err := exec.CommandContext(ctx, "sleep", "20").Run()
	fmt.Printf("echo %s, cat %d, many %d, killed %v\n", strings.TrimSpace(string(echo)), len(out), many.Load(), err != nil)
}
