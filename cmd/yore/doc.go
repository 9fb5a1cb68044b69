// Command yore is a reversible debugger for Linux x86-64.
//
// This package parses the command line and wires the packages below it
// together; what the commands do lives in them. One file per topic:
//
//	main.go     the program: standard streams in, exit status out
//	root.go     the command tree
//	exit.go     exit statuses, and how an error is told to a person
//	flags.go    flags shared by commands, gdb's single-dash spellings
//	target.go   what TARGET on the command line is
//	elf.go      whether a file is a program that yore can run
//
// It does not talk to a process, read a recording or speak a protocol itself.
package main
