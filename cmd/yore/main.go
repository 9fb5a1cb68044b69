package main

import (
	"os"
	"path/filepath"
)

func main() {
	switch filepath.Base(os.Args[0]) {
	case "dlv":
		os.Exit(runAsDelve(os.Args[1:]))
	case "rr":
		os.Exit(runAsRR(os.Args[1:]))
	}
	os.Exit(run(os.Args[1:]))
}

// run is yore with args, on the process's own streams; it returns the exit
// status.
func run(args []string) int {
	root := newRoot()
	args = prepare(root, args)
	root.SetArgs(args)
	cmd, err := root.ExecuteC()
	help := "yore help"
	if cmd != nil && cmd != root {
		help = cmd.CommandPath() + " --help"
	}
	tell(os.Stderr, err, help)
	return statusOf(err)
}
