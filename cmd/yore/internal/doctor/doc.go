// Package doctor looks at what the machine offers a reversible debugger and
// what it lacks.
//
// A Finding is one line: what was looked at, how it stands, and the way to mend
// it. Only a Lack means that yore cannot be used here; a Limit says what will be
// slower, smaller or missing. Most findings are read from /proc; whether ptrace
// works is tried on a real child, because Yama, seccomp filters and container
// policies cannot be told apart from outside.
//
// The package prints nothing but Write's report and changes nothing. It does
// not know the engine.
package doctor
