// Package debugpage writes what browsers get from httpssl.DebugHandler: one file of HTML and SVG, without
// a script, that shows the state of some Ctxs and of the process.
package debugpage
