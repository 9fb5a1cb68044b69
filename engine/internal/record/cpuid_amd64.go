package record

// cpuid executes the instruction on the processor that the tracer runs on.
func cpuid(leaf, sub uint32) (a, b, c, d uint32)
