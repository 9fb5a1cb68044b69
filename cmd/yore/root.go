package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"yore/cmd/yore/internal/inspect"
)

// newRoot builds the command tree. A command that is not in it does not exist.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "yore",
		Short: "a reversible debugger for Linux x86-64",
		Long: "yore records a program while it runs and lets you move backwards in it as easily as forwards.\n" +
			"It needs no performance counters, no root and no recompiling.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args)
			}
			return cmd.Help()
		},
		Version: versionLine(),
	}
	root.SuggestionsMinimumDistance = 2
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return withStatus(exitUsage, err) })
	root.SetOut(os.Stdout)
	root.SetErr(os.Stderr)
	root.AddCommand(commands()...)
	root.SetHelpCommand(newHelp(root))
	root.CompletionOptions.HiddenDefaultCmd = false
	return root
}

// commands lists yore's commands, in the order of the help.
func commands() []*cobra.Command {
	return []*cobra.Command{
		newRun(),
		newTest(),
		newRecord(),
		newReplay(),
		newTUI(),
		newVerify(),
		newBisect(),
		newGDB(),
		newGdbserver(),
		newDAP(),
		newPack(),
		newReport(),
		newInfo(),
		newDump(),
		newLs(),
		newRm(),
		newImage(),
		newDoctor(),
		newProbe(),
		newTUIGuard(),
		newVersion(),
	}
}

// prepare normalises the flags of the command that args begin with.
func prepare(root *cobra.Command, args []string) []string {
	if len(args) == 0 {
		return args
	}
	for _, c := range root.Commands() {
		if (c.Name() == args[0] || c.HasAlias(args[0])) && !c.DisableFlagParsing {
			c.InitDefaultHelpFlag()
			return append([]string{args[0]}, normalise(args[1:], c.Flags())...)
		}
	}
	return args
}

// unknownCommand says that args begin with no command of ours, and what may
// have been meant.
func unknownCommand(root *cobra.Command, args []string) error {
	msg := fmt.Sprintf("unknown command %q", args[0])
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef("%s; did you mean %s?", msg, strings.Join(near, " or "))
	}
	if _, err := os.Stat(args[0]); err == nil || strings.Contains(args[0], "/") {
		if root.CommandPath() == "yore" && hasCommand(root, "run") {
			return usagef("%s; to debug a program: yore run %s", msg, inspect.Command(args))
		}
	}
	return usagef("%s", msg)
}

func hasCommand(root *cobra.Command, name string) bool {
	for _, c := range root.Commands() {
		if c.Name() == name {
			return true
		}
	}
	return false
}

// noArgs is cobra.NoArgs with our exit status.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, got %q", cmd.Name(), args[0])
	}
	return nil
}

// atMost is cobra.MaximumNArgs with our exit status.
func atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return usagef("%s takes at most %d argument, got %q too", cmd.Name(), n, args[n])
		}
		return nil
	}
}
