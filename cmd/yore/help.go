package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// newHelp is `yore help [CMD]`, and with --man the writer of the manual pages.
func newHelp(root *cobra.Command) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "help [CMD]",
		Short: "help about a command",
		Args:  cobra.ArbitraryArgs,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, c := range root.Commands() {
				if c.IsAvailableCommand() {
					names = append(names, c.Name()+"\t"+c.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if dir != "" {
				return writeManPages(root, dir)
			}
			c, rest, err := root.Find(args)
			if err != nil || c == root && len(args) > 0 || len(rest) > 0 {
				return unknownCommand(root, args)
			}
			c.InitDefaultHelpFlag()
			c.InitDefaultVersionFlag()
			return c.Help()
		},
	}
	cmd.Flags().StringVar(&dir, "man", "", "write the manual pages into `DIR` instead")
	return cmd
}

// writeManPages writes yore.1 and a page for each command into dir, which is
// made when it is missing.
func writeManPages(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("manual pages: %w", err)
	}
	all := []*cobra.Command{root}
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			all = append(all, c)
		}
	}
	for _, c := range all {
		if err := os.WriteFile(filepath.Join(dir, manName(c)+".1"), manPage(c), 0o666); err != nil {
			return fmt.Errorf("manual pages: %w", err)
		}
	}
	return nil
}
