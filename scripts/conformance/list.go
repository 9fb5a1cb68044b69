package main

// A program of the list.
type program struct {
	name  string
	needs []string // programs on PATH
	quick bool     // part of `make test`
	// setup is a shell script that prepares the working directory. It runs
	// natively, once for the native run and once for the recorded one.
	setup string
	// run is the command, for /bin/sh: its last process is exec'd and recorded.
	run    []string
	sample string   // or a sample of testprogs, with the arguments of its header
	flags  []string // for building the sample
	args   []string // in place of those in the sample's header
	stdin  string
	typed  string   // typed into a terminal of its own
	makes  string   // a file that it makes, to be compared
	record []string // flags of record
	varies bool     // its output differs from run to run by itself
	large  bool     // it takes much memory itself
	still  bool     // no walking about: a small part of it takes long
	status int      // the exit status; of samples, their header says it
}

var list = []program{
	// coreutils
	{name: "ls -laR", quick: true, run: []string{"ls", "-laR", "/etc"}, varies: true},
	{name: "sort --parallel=4, 50 MB", setup: "seq 1 9000000 | awk '{print ($1*7919)%1000003, $1}' | head -c 50000000 >in", run: []string{"sort", "--parallel=4", "-S", "20M", "-o", "out", "in"}, makes: "out"},
	{name: "sort", quick: true, setup: "seq 1 20000 | awk '{print ($1*7919)%10007}' >in", run: []string{"sort", "-n", "in"}},
	{name: "sha256sum", quick: true, setup: "head -c 8000000 /dev/zero >in", run: []string{"sha256sum", "in"}},
	{name: "tar with gzip", quick: true, needs: []string{"gzip"}, setup: "mkdir d; for i in 1 2 3 4; do seq $i 20000 >d/$i; done", run: []string{"tar", "--sort=name", "--mtime=@0", "-czf", "out", "d"}, makes: "out"},
	{name: "find", quick: true, setup: "mkdir -p d/a/b d/c; touch d/a/b/x d/c/y", run: []string{"find", "d", "-name", "[xy]"}},
	{name: "dd", quick: true, run: []string{"dd", "if=/dev/zero", "of=out", "bs=4k", "count=500", "status=none"}, makes: "out"},

	// shells and scripts
	{name: "bash, pipes", quick: true, needs: []string{"bash"}, run: []string{"bash", "-c", "seq 1 100 | while read i; do echo $((i*i)); done | tail -1; (exit 3); echo $?"}},
	{name: "bash, job control", quick: true, needs: []string{"bash"}, run: []string{"bash", "-c", "set -m; sleep 0.05 & sleep 0.02 & wait; for i in 1 2 3; do (exit $i) & wait $!; echo $?; done"}},
	{name: "a shell script", quick: true, setup: "printf '#!/bin/sh\\necho $1; exec ls d\\n' >s; chmod +x s; mkdir d; touch d/x", run: []string{"./s", "hello"}},
	{name: "perl", quick: true, needs: []string{"perl"}, run: []string{"perl", "-e", `my %h; $h{$_ % 97} .= "x" for 1..20000; print join(",", map { length $h{$_} } sort { $a <=> $b } keys %h), "\n"; print scalar(localtime(0)), "\n"`}},

	// python3
	{name: "python3, json", quick: true, needs: []string{"python3"}, run: py("import json; d={str(i): list(range(i % 17)) for i in range(3000)}; print(len(json.dumps(json.loads(json.dumps(d)))))")},
	{name: "python3, threads", quick: true, needs: []string{"python3"}, run: py("import threading; n=[0]; l=threading.Lock()\ndef f():\n for _ in range(2000):\n  with l: n[0]+=1\nt=[threading.Thread(target=f) for _ in range(4)]\n[x.start() for x in t]; [x.join() for x in t]; print(n)")},
	{name: "python3, asyncio", quick: true, needs: []string{"python3"}, run: py("import asyncio\nasync def f(i):\n await asyncio.sleep(0.001*i); return i\nasync def g(): print(sum(await asyncio.gather(*[f(i) for i in range(30)])))\nasyncio.run(g())")},
	{name: "python3, subprocess", quick: true, needs: []string{"python3"}, run: py("import subprocess; print(subprocess.run(['seq','5'],capture_output=True,text=True).stdout.split())")},
	{name: "python3, sqlite3", quick: true, needs: []string{"python3"}, run: py("import sqlite3; c=sqlite3.connect('d.db'); c.execute('create table t(a,b)'); c.executemany('insert into t values(?,?)',[(i,i*i) for i in range(2000)]); c.commit(); print(c.execute('select sum(b) from t').fetchone())")},
	{name: "python3, sockets", quick: true, needs: []string{"python3"}, run: py("import socket,threading\ns=socket.socket(); s.bind(('127.0.0.1',0)); s.listen()\ndef serve():\n c,_=s.accept()\n while (d:=c.recv(4096)): c.sendall(d.upper())\n c.close()\nt=threading.Thread(target=serve); t.start()\nc=socket.create_connection(s.getsockname())\nr=b''\nfor i in range(50):\n c.sendall(b'hello %d;'%i)\n r+=c.recv(4096)\nc.close(); t.join(); print(len(r), r[:7])")},
	{name: "python3 at its prompt", needs: []string{"python3"}, run: []string{pythonPath, "-q"}, typed: "print(6*7)\nexit()\n", varies: true},

	// databases, servers
	{name: "sqlite3, 200,000 rows", needs: []string{"sqlite3"}, setup: "cp \"$TESTPROGS/bench/w6.sql\" .", run: sh("exec sqlite3 d.db <w6.sql")},
	{name: "redis-server and redis-benchmark", needs: []string{"redis-server", "redis-benchmark"}, varies: true,
		run: sh("(sleep 0.5; redis-benchmark -p 17999 -q -n 2000 -t get,set >/dev/null; redis-cli -p 17999 shutdown nosave) & exec redis-server --port 17999 --save '' --appendonly no >/dev/null")},

	// developers' tools
	{name: "git, log and gc", needs: []string{"git"}, setup: gitSetup, run: sh("cd r && git gc -q && exec git --no-pager log --stat"), varies: true},
	{name: "git, clone of a local repository", quick: true, needs: []string{"git"}, setup: gitSetup, run: []string{"git", "clone", "-q", "--no-hardlinks", "r", "c"}},
	{name: "gcc", needs: []string{"gcc"}, setup: "cp \"$TESTPROGS/bench/w7.c\" .", run: sh("exec gcc -O2 -c -o w7.o w7.c")},
	{name: "xz -T4", needs: []string{"xz"}, setup: "seq 1 900000 >in", run: []string{"xz", "-T4", "--block-size=500000", "-k", "in"}, makes: "in.xz"},
	{name: "vim in its terminal", needs: []string{"vim"}, run: []string{"vim", "-u", "NONE", "-n", "f"}, typed: "ihello\x1b:wq\r", varies: true},
	{name: "lua5.4", needs: []string{"lua5.4"}, run: []string{"lua5.4", "-e", "local t={} for i=1,100000 do t[i%997]=(t[i%997] or 0)+i end local s=0 for _,v in pairs(t) do s=s+v end print(s)"}},
	{name: "node", needs: []string{"node"}, run: []string{"node", "-e", "let s=0; for (let i=0;i<3e6;i++) s=(s*31+i)%1000003; console.log(s, Object.keys(JSON.parse(JSON.stringify({a:1,b:[2]}))))"}},

	// samples
	{name: "curses", needs: []string{"python3"}, run: py("import curses\ndef m(w):\n w.addstr(0,0,'press q')\n w.refresh()\n while (c:=w.getch())!=ord('q'):\n  w.addstr(1,0,'got %d' % c); w.refresh()\ncurses.wrapper(m)"), typed: "ab\x1b[Aq", varies: true},
	{name: "less", needs: []string{"less"}, setup: "seq 1 5000 >in", run: []string{"less", "in"}, typed: "G\x06/49\rq", varies: true},
	{name: "ruby", quick: true, needs: []string{"ruby"}, run: []string{"ruby", "-e", "a=(1..4).map{|i| Thread.new{(1..5000).inject(:+)}}; puts a.map(&:value).sum; puts `echo hi`; GC.start; puts 1"}},
	{name: "java", needs: []string{"java", "javac"}, setup: "cp \"$TESTPROGS/src/Mixed.java\" . && javac Mixed.java", run: []string{"java", "-cp", ".", "Mixed"}},
	{name: "C++, async", quick: true, sample: "cxx_async"},
	{name: "C++, exceptions", quick: true, sample: "cxx_exceptions"},
	{name: "C++, containers", quick: true, sample: "cxx_containers"},
	{name: "C++, coroutines and ranges", sample: "cxx_containers", flags: []string{"-O2"}},
	{name: "C++, OpenMP", sample: "cxx_openmp"},
	{name: "Rust, threads", sample: "rust_threads"},
	{name: "Go, mixed", sample: "go_mixed"},
	{name: "Go, -race", sample: "go_mixed", flags: []string{"-race"}},
	{name: "Go, os/exec", sample: "go_exec"},
	{name: "Go, panic", sample: "go_panic", varies: true},
	{name: "Go, GC and channels", sample: "bench/w5"},
	{name: "static", quick: true, sample: "thr_workers", flags: []string{"-static"}},
	{name: "static, musl", needs: []string{"musl-gcc"}, setup: "musl-gcc -static -O1 -g -pthread -o p \"$TESTPROGS/src/thr_workers.c\"", run: []string{"./p", "8", "200"}},
	{name: "AddressSanitizer", sample: "thr_workers", flags: []string{"-fsanitize=address"}},
	{name: "UndefinedBehaviorSanitizer", sample: "thr_workers", flags: []string{"-fsanitize=undefined"}},
	{name: "ThreadSanitizer", sample: "thr_locks", flags: []string{"-fsanitize=thread"}},
	{name: "many threads", sample: "thr_many"},
	{name: "2 GB resident", sample: "mem_resident", args: []string{"2000"}},
	{name: "ten minutes", sample: "thr_long", args: []string{"600"}, varies: true, still: true},
	{name: "preemption", quick: true, sample: "thr_compute"},
	{name: "spinning threads", sample: "thr_spin"},
	{name: "timers", quick: true, sample: "sig_itimer"},
	{name: "signals and threads", quick: true, sample: "sig_threads"},
	{name: "forks", quick: true, sample: "proc_fork"},
	{name: "JIT", quick: true, sample: "mem_jit"},
	{name: "cpuid in code made at run time", quick: true, sample: "insn_cpuid"},
	{name: "sleeps", quick: true, sample: "thr_sleep"},
	{name: "memory shared with children", quick: true, sample: "mem_shared"},
	{name: "python3, multiprocessing", quick: true, needs: []string{"python3"}, run: py("import multiprocessing as m\ndef f(x): return x*x\nif __name__=='__main__':\n with m.Pool(3) as p: print(sum(p.map(f, range(300))))")},
}

const gitSetup = "git init -q r && cd r && git config user.email a@b && git config user.name a && for i in 1 2 3 4 5 6 7 8; do seq $i 500 >f$i; git add .; git commit -q -m c$i; done"

// pythonPath is not looked up: version managers put scripts in its place.
const pythonPath = "/usr/bin/python3"

func sh(script string) []string { return []string{"/bin/sh", "-c", script} }
func py(script string) []string { return []string{pythonPath, "-c", script} }
