// Package load measures what many connections cost: threads and memory.
package load
