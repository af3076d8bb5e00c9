// Package soak resumes sessions in every form for a long time. Meanwhile, everything that keeps
// sessions is flushed, made to evict, rotated, and made to fail.
package soak
