// Package soak resumes sessions in every form for a long time, while everything that keeps
// sessions is flushed, evicted from, rotated, and made to fail.
package soak
