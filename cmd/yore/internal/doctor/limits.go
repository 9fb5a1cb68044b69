package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A checkpoint is a task of its own; below this many, history gets coarse.
const wantTasks = 256

// processes looks at RLIMIT_NPROC, which counts all tasks of the user and does
// not bind root.
func processes(o Options) Finding {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &r); err != nil || r.Cur == unix.RLIM_INFINITY || os.Geteuid() == 0 {
		return Finding{"processes", OK, "ulimit -u sets no bound", ""}
	}
	if r.Cur < wantTasks {
		return Finding{"processes", Limit, fmt.Sprintf("ulimit -u is %d: few checkpoints will be kept", r.Cur), fmt.Sprintf("ulimit -u %d", r.Max)}
	}
	return Finding{"processes", OK, fmt.Sprintf("ulimit -u is %d", r.Cur), ""}
}

// tasks looks at the control group's bound on tasks.
func tasks(o Options) Finding {
	limit, ok := cgroupLimit(o, "pids", "pids.max")
	switch {
	case !ok:
		return Finding{"tasks", OK, "the control group sets no bound", ""}
	case limit < wantTasks:
		return Finding{"tasks", Limit, fmt.Sprintf("the control group allows %d: few checkpoints will be kept", limit), "docker run --pids-limit=2048, or pids.max"}
	}
	return Finding{"tasks", OK, fmt.Sprintf("the control group allows %d", limit), ""}
}

// memory looks at what checkpoints may grow into.
func memory(o Options) Finding {
	total := memInfo(o, "MemTotal")
	avail := memInfo(o, "MemAvailable")
	text := fmt.Sprintf("%s, %s available", size(total), size(avail))
	file := "memory.max"
	limit, ok := cgroupLimit(o, "memory", file)
	if !ok {
		limit, ok = cgroupLimit(o, "memory", "memory.limit_in_bytes")
	}
	if ok && limit < total {
		text += fmt.Sprintf("; the control group allows %s", size(limit))
		avail = min(avail, limit)
	}
	if avail < 256<<20 {
		return Finding{"memory", Limit, text + ": few checkpoints will be kept", "more memory, or --checkpoint-memory"}
	}
	return Finding{"memory", OK, text, ""}
}

// overcommit: in mode 2 the kernel books every copy-on-write page at the fork.
func overcommit(o Options) Finding {
	if readTrim(filepath.Join(o.Proc, "sys/vm/overcommit_memory")) == "2" {
		return Finding{"overcommit", Limit, "vm.overcommit_memory is 2: each checkpoint is booked at the program's full size",
			"as root: sysctl vm.overcommit_memory=0"}
	}
	return Finding{"overcommit", OK, "checkpoints share memory until it is written", ""}
}

// store looks at the place that recordings go to.
func store(o Options) Finding {
	at := o.Store
	for {
		_, err := os.Stat(at)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || at == "/" {
			return Finding{"store", Lack, fmt.Sprintf("%s: %v", o.Store, errors.Unwrap(err)), "set YORE_DIR to a directory of yours"}
		}
		at = filepath.Dir(at)
	}
	if err := unix.Access(at, unix.W_OK|unix.X_OK); err != nil {
		return Finding{"store", Lack, fmt.Sprintf("%s cannot be written: %v", o.Store, err), "set YORE_DIR to a directory of yours"}
	}
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		return Finding{"store", Limit, fmt.Sprintf("%s: %v", o.Store, err), ""}
	}
	free := int64(st.Bavail) * st.Bsize
	text := fmt.Sprintf("%s, %s free", o.Store, size(free))
	const tmpfs = 0x01021994 // TMPFS_MAGIC of linux/magic.h
	if st.Type == tmpfs {
		text += " on tmpfs: recordings take memory and are gone after a reboot"
	}
	if free < 1<<30 {
		return Finding{"store", Limit, text, "free some space, or set YORE_DIR"}
	}
	if st.Type == tmpfs {
		return Finding{"store", Note, text, "set YORE_DIR to a disk"}
	}
	return Finding{"store", OK, text, ""}
}

func privileges(o Options) Finding {
	if os.Geteuid() == 0 {
		return Finding{"user", OK, "root, which yore does not need", ""}
	}
	return Finding{"user", OK, "an ordinary user, which is enough", ""}
}

// cgroupLimit returns the tightest bound that a control group file sets on us,
// ours and every group above it, in version 2 or in version 1's controller.
func cgroupLimit(o Options, controller, file string) (int64, bool) {
	b, err := os.ReadFile(filepath.Join(o.Proc, "self/cgroup"))
	if err != nil {
		return 0, false
	}
	best, found := int64(0), false
	look := func(root, group string) {
		for g := group; ; g = filepath.Dir(g) {
			if v, err := strconv.ParseInt(readTrim(filepath.Join(root, g, file)), 10, 64); err == nil && v < 1<<60 {
				if !found || v < best {
					best, found = v, true
				}
			}
			if g == "/" || g == "." || g == "" {
				return
			}
		}
	}
	for _, l := range strings.Split(string(b), "\n") {
		id, rest, _ := strings.Cut(l, ":")
		controllers, group, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		switch {
		case id == "0" && controllers == "":
			look(o.Cgrp, group)
			look(filepath.Join(o.Cgrp, "unified"), group)
		default:
			for _, c := range strings.Split(controllers, ",") {
				if c == controller {
					look(filepath.Join(o.Cgrp, controller), group)
				}
			}
		}
	}
	return best, found
}

// memInfo returns a field of /proc/meminfo in bytes, 0 when it is not there.
func memInfo(o Options, field string) int64 {
	b, _ := os.ReadFile(filepath.Join(o.Proc, "meminfo"))
	for _, l := range strings.Split(string(b), "\n") {
		if v, ok := strings.CutPrefix(l, field+":"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}

// size prints bytes in the largest unit that leaves a number to read.
func size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GB", n>>30)
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%d MB", n>>20)
}
