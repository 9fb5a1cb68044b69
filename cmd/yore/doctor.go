package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"yore/cmd/yore/internal/doctor"
)

func newDoctor() *cobra.Command {
	var gdb string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "what this machine offers and lacks, and how to mend it",
		Long: "doctor looks at what yore needs of this machine, a line each with the way to mend it.\n" +
			"It ends with status 0 when yore can be used here, 1 when not.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				self = "/proc/self/exe"
			}
			store, err := openStore()
			if err != nil {
				return err
			}
			found := doctor.Run(doctor.Options{
				Proc: "/proc", Cgrp: "/sys/fs/cgroup",
				Store: store.Dir, GDB: gdb, Path: os.Getenv("PATH"),
				Probe: []string{self, probeCommand},
			})
			if err := doctor.Write(cmd.OutOrStdout(), found, colors(os.Stdout)); err != nil {
				return err
			}
			if !doctor.Usable(found) {
				return exited(exitFailed)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&gdb, "gdb", "", "the gdb to look at, a `PATH` or a name on PATH")
	return cmd
}

// probeCommand is the hidden command that doctor traces.
const probeCommand = "doctor-probe"

// newProbe says a byte and waits until its standard input ends.
func newProbe() *cobra.Command {
	return &cobra.Command{
		Use:    probeCommand,
		Hidden: true,
		Args:   noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Stdout.WriteString("."); err != nil {
				return err
			}
			_, err := io.Copy(io.Discard, os.Stdin)
			return err
		},
	}
}

// colors reports whether f is a terminal that wants colours.
func colors(f *os.File) bool {
	return term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
