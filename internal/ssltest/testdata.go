package ssltest

import (
	"os"
	"path/filepath"
)

// testdata is found from where the tests begin: they run in the directory of their package.
var testdata = func() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		data := filepath.Join(dir, "testdata")
		if _, err := os.Stat(filepath.Join(data, "certs", "ca.pem")); err == nil {
			return data
		}
		if dir == filepath.Dir(dir) {
			return "" // not in the tree
		}
	}
}()

// TestData is the path of a file in testdata at the root of the tree.
func TestData(path ...string) string { return filepath.Join(append([]string{testdata}, path...)...) }
