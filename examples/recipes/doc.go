// Package recipes has the code of README.md and of docs that needs nothing but this module. Its tests run
// the recipes of docs/recipes.md.
package recipes
