package fleet

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// A table is a part of the report. Rows may be added by several goroutines at once.
type table struct {
	title string
	notes []string

	mu   sync.Mutex
	rows [][]string
}

// report has the tables of this run.
var report struct {
	mu     sync.Mutex
	tables []*table
}

// newTable adds a table to the report, which is written anew at the end of t.
func newTable(t *testing.T, title string, columns ...any) *table {
	t.Helper()
	b := &table{title: title}
	b.row(columns...)
	report.mu.Lock()
	report.tables = append(report.tables, b)
	report.mu.Unlock()
	t.Cleanup(func() {
		t.Logf("\n%s", b)
		writeReport(t)
	})
	return b
}

func (b *table) row(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
		if d, ok := c.(time.Duration); ok {
			row[i] = millis(d)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows = append(b.rows, row)
}

// note adds a paragraph behind the table.
func (b *table) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

// String is the table as Markdown.
func (b *table) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var s strings.Builder
	fmt.Fprintf(&s, "### %s\n\n", b.title)
	for i, row := range b.rows {
		s.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			s.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	for _, n := range b.notes {
		s.WriteString("\n" + n + "\n")
	}
	return s.String()
}

func writeReport(t *testing.T) {
	t.Helper()
	report.mu.Lock()
	defer report.mu.Unlock()
	var s strings.Builder
	for _, b := range report.tables {
		s.WriteString(b.String() + "\n")
	}
	if err := os.WriteFile(place(t, "fleet-proof.md"), []byte(s.String()), 0o644); err != nil {
		t.Error(err)
	}
}

// millis is a duration in the unit of the tables.
func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
