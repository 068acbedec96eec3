// Package coredump keeps what a process has in memory, patients' data and keys, from
// being written to a disk when the process crashes.
package coredump
