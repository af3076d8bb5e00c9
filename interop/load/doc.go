// Package load asks what many connections cost: threads and memory.
package load
