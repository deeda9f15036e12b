// Package splice writes what a command has measured into a file of documentation, between two
// comments that stand there, so that the text around it stays a person's.
package splice

import (
	"fmt"
	"os"
	"strings"
)

// File replaces what stands in the file between the lines "<!-- mark: begin -->" and
// "<!-- mark: end -->" by text, which ends in a newline. A file without the two lines is an error
// and stays as it is.
func File(name, mark, text string) error {
	old, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("write into documentation: %w", err)
	}
	begin, end := "<!-- "+mark+": begin -->\n", "<!-- "+mark+": end -->\n"
	before, rest, found := strings.Cut(string(old), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		return fmt.Errorf("write into documentation: %s has no lines %q and %q", name, begin, end)
	}
	if err := os.WriteFile(name, []byte(before+begin+text+end+after), 0o644); err != nil {
		return fmt.Errorf("write into documentation: %w", err)
	}
	return nil
}
