//go:build ignore

// handler: a web server's handler means to change the settings of one request, and
// changes everybody's. A later request is refused. The argument says which does it.
//
// args: 7
// exit: 2
// back: reverse-watch defaults.Limit == 10
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
)

type Settings struct{ Limit int }

var defaults = &Settings{10}

func serve(w http.ResponseWriter, r *http.Request) {
	s := defaults // a copy was meant
	if l := r.FormValue("limit"); l != "" {
		s.Limit, _ = strconv.Atoi(l) // MARK culprit
	}
	n, _ := strconv.Atoi(r.FormValue("n"))
	if n > s.Limit {
		http.Error(w, "too many", http.StatusTooManyRequests)
		return
	}
	fmt.Fprint(w, n)
}

func main() {
	seed, _ := strconv.Atoi(os.Args[1])
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(l, http.HandlerFunc(serve))
	for i := range 16 {
		url := fmt.Sprintf("http://%s/?n=%d", l.Addr(), 1+i%5)
		if i == 2+seed%8 {
			url = fmt.Sprintf("http://%s/?n=1&limit=3", l.Addr())
		}
		resp, err := http.Get(url)
		if err != nil {
			panic(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			println("request", i, "has status", resp.StatusCode)
			os.Exit(2)
		}
	}
}
