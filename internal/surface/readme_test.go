package surface

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(root + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The README begins with code that runs as it stands: two files of the quick start, and the part of
// an Example that keeps sessions by hand.
func TestReadmeShowsCodeThatRuns(t *testing.T) {
	readme := readFile(t, "README.md")
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readme, 2)
	if len(blocks) < 2 {
		t.Fatalf("the README has %d Go blocks, want 2 or more", len(blocks))
	}
	for i, file := range []string{"examples/quickstart/server.go", "examples/quickstart/client.go"} {
		if blocks[i][1] != readFile(t, file) {
			t.Errorf("Go block %d of the README is not %s", i+1, file)
		}
	}
	byHand := regexp.MustCompile("(?s)## Sessions by hand.*?```go\n(.*?)```").FindStringSubmatch(readme)
	if byHand == nil {
		t.Fatal("the README has no sessions by hand")
	}
	code := "\t" + strings.ReplaceAll(strings.TrimSuffix(byHand[1], "\n"), "\n", "\n\t")
	if !strings.Contains(readFile(t, "ssl/example_test.go"), code+"\n\t// Output:") {
		t.Error("the README's sessions by hand are not the code of ExampleDialSession")
	}
}

// The README shows what the quick start prints, as its tests have it.
func TestReadmeShowsItsOutput(t *testing.T) {
	out := regexp.MustCompile("(?s)and prints\n\n```\n(.*?)```").FindStringSubmatch(readFile(t, "README.md"))
	if out == nil {
		t.Fatal("the README does not show what the quick start prints")
	}
	const want = "TLS 1.3, not offered: no session, answer \"GET / HTTP/1.0\\r\\n\"\n" +
		"TLS 1.3, resumed by ticket, answer \"GET / HTTP/1.0\\r\\n\"\n"
	if out[1] != want {
		t.Errorf("the README shows\n%s\nwant\n%s", out[1], want)
	}
}
