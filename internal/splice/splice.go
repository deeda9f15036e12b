// Package splice writes what a command has measured into a file of documentation, between two
// comments that stand there, so that the text around it stays a person's.
package splice

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// File replaces what stands in the file between the lines "<!-- mark: begin -->" and
// "<!-- mark: end -->" by text, which ends in a newline. A file without the two lines is an error
// and stays as it is. Whatever ends the process, the file is the old one or the new one.
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
	if err := replace(name, before+begin+text+end+after); err != nil {
		return fmt.Errorf("write into documentation: %w", err)
	}
	return nil
}

// replace writes the text beside the file and lets it take the file's place, with its mode.
func replace(name, text string) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	if _, err = file.WriteString(text); err == nil {
		err = file.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
