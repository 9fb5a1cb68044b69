package gdbserver

import (
	"fmt"
	"strings"
)

const tagPrefix = "@"

func tagLine(err error) string {
	if err == nil {
		return "@ok\n"
	}
	return fmt.Sprintf("@error %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
}
