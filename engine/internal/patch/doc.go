// Package patch decodes x86-64 instructions, knows the functions and basic
// blocks of a program's text, and plans counting stubs: patches that make an
// address count how often it is executed.
package patch
