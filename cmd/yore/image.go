package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"yore/cmd/yore/internal/inspect"
	"yore/engine"
)

// newImage is `image` with its own commands.
func newImage() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image ls|rm|prune",
		Short: "the images of a recording",
		Long: "Images are states of the program that were written while it was recorded. Replay starts from them\n" +
			"instead of from the beginning; without those that are marked as needed a part of the recording cannot\n" +
			"be replayed at all, the others only save time.",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("image needs a command: ls, rm or prune")
			}
			return usagef("image has no command %q; it has ls, rm and prune", args[0])
		},
	}
	cmd.AddCommand(newImageLs(), newImageRm(), newImagePrune())
	return cmd
}

func newImageLs() *cobra.Command {
	return &cobra.Command{
		Use:   "ls [RECORDING]",
		Short: "list the images of a recording",
		Long: "ls lists a recording's images in their order: number, event, time since the beginning, memory (what images\n" +
			"have in common is stored once), and whether replay needs it. RECORDING left out is the latest.",
		Args:              atMost(1),
		ValidArgsFunction: completeRecordings,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := recordingArg(args)
			if err != nil {
				return err
			}
			list, err := engine.Images(dir)
			if err != nil {
				return recordingStatus(err)
			}
			return inspect.Images(cmd.OutOrStdout(), list)
		},
	}
}

func newImageRm() *cobra.Command {
	return &cobra.Command{
		Use:               "rm [RECORDING] IMAGE...",
		Short:             "remove images of a recording",
		Long:              "rm removes images by the numbers that `ls` shows, and gives the disk back what only they used. It refuses\nwhat replay needs. RECORDING left out is the latest.",
		ValidArgsFunction: completeRecordings,
		RunE: func(cmd *cobra.Command, args []string) error {
			var named []string
			if len(args) > 0 {
				if _, err := strconv.ParseUint(args[0], 10, 32); err != nil {
					named, args = args[:1], args[1:]
				}
			}
			if len(args) == 0 {
				return usagef("image rm needs the number of an image; image ls shows them")
			}
			ids := make([]int64, 0, len(args))
			for _, a := range args {
				id, err := strconv.ParseUint(a, 10, 32)
				if err != nil {
					return usagef("image rm: %q is no number of an image", a)
				}
				ids = append(ids, int64(id))
			}
			return removeImages(cmd, named, ids)
		},
	}
}

func newImagePrune() *cobra.Command {
	return &cobra.Command{
		Use:   "prune [RECORDING]",
		Short: "remove all images that replay can do without",
		Long: "prune removes the images that only save time, but for the last, and gives the disk back what they used.\n" +
			"Everything can still be replayed, from further back. RECORDING left out is the latest.",
		Args:              atMost(1),
		ValidArgsFunction: completeRecordings,
		RunE:              func(cmd *cobra.Command, args []string) error { return removeImages(cmd, args, nil) },
	}
}

// removeImages removes images of the recording that named names; ids nil is those
// not needed.
func removeImages(cmd *cobra.Command, named []string, ids []int64) error {
	dir, err := recordingArg(named)
	if err != nil {
		return err
	}
	n, freed, err := engine.RemoveImages(dir, ids)
	if err != nil && !errors.Is(err, engine.ErrNeeded) {
		return recordingStatus(err)
	}
	if err != nil {
		return withStatus(exitFailed, err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "removed: %d images, %s\n", n, inspect.Size(freed))
	return nil
}
