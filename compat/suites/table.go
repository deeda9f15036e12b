package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// render returns the table of all suites, both servers side by side, and below it what is not as
// it should be and where to look.
func render(tables []Comparison) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, t := range tables {
		fmt.Fprintf(w, "%s\t", t.title())
		for _, col := range t.Columns {
			fmt.Fprintf(w, "\t%s", col.ServerVersion)
		}
		fmt.Fprintln(w)
		row(w, t, "collected", func(c *Column) string { return fmt.Sprint(len(c.Results)) })
		for _, o := range outcomes {
			row(w, t, string(o), func(c *Column) string { return fmt.Sprint(c.Count(o)) })
		}
		row(w, t, "seconds", func(c *Column) string {
			if c.Seconds == 0 {
				return "-"
			}
			return fmt.Sprintf("%.0f", c.Seconds)
		})
	}
	w.Flush()
	for _, t := range tables {
		section(&b, t.Suite+": the run is not whole", t.Broken)
		section(&b, t.Suite+": failures", t.Failures)
		section(&b, t.Suite+": notes", t.Notes)
		for _, col := range t.Columns {
			if col.Folder != "" {
				fmt.Fprintf(&b, "\n%s on %s: output, report and servers' logs in\n    %s\n",
					t.Suite, col.Server, col.Folder)
			}
		}
	}
	return b.String()
}

// title is the suite with its version.
func (c Comparison) title() string {
	if len(c.Columns) == 0 {
		return c.Suite
	}
	return c.Suite + " " + c.Columns[len(c.Columns)-1].SuiteVersion
}

// row writes one line of the table.
func row(w *tabwriter.Writer, t Comparison, name string, cell func(*Column) string) {
	fmt.Fprintf(w, "\t%s", name)
	for _, col := range t.Columns {
		fmt.Fprintf(w, "\t%s", cell(col))
	}
	fmt.Fprintln(w)
}

// maxLines limits a section: where everything fails, the first few say as much as all of them, and
// report.json has the rest.
const maxLines = 60

// section writes a list under a title, nothing if it is empty.
func section(b *strings.Builder, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s (%d)\n", title, len(lines))
	for i, line := range lines {
		if i == maxLines {
			fmt.Fprintf(b, "    ... and %d more, see report.json\n", len(lines)-i)
			break
		}
		fmt.Fprintf(b, "    %s\n", line)
	}
}
