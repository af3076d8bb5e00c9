// Package lint holds the project's own rules about its source tree, written as tests: which
// function may free a session, where C may be called, what a comment must say. There is no code
// to import.
//
// Each rule is a function from a tree to findings. Its test runs it over this module, and over
// small bad trees in which it must find exactly the marked lines, so that a rule that never
// fires is noticed too.
package lint
