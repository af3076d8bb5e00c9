// Package unsupported ends the build where the module cannot be built, with an error that says why. It
// is imported only there.
package unsupported
