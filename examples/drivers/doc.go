// Package drivers gives the connections of well-known clients to package ssl. Its functions are the
// recipes of docs/recipes.md, and its tests run them against real servers.
package drivers
