// Package browser holds the tests of the page of httpssl.DebugHandler in a real browser. The tests drive
// Debian's chromium over a pipe, by its DevTools protocol.
package browser
