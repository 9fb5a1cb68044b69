package patch

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

func ptr(p *unix.Iovec) unsafe.Pointer { return unsafe.Pointer(p) }

func bytesPtr(p *[128]byte) unsafe.Pointer { return unsafe.Pointer(p) }
