//go:build mutants

package mutant

import "fmt"

// Enabled says whether mutants are compiled in.
const Enabled = true

// selected is the mutant of this process, "" for none. It is written before anything else starts.
var selected string

// On reports whether the mutant with this name is the one chosen.
func On(name string) bool { return name == selected }

// Select chooses the mutant of this process; "" is none. The caller is the only goroutine that
// uses code with mutants in it.
func Select(name string) error {
	if name != "" && !known(name) {
		return fmt.Errorf("select mutant %q: no such mutant", name)
	}
	selected = name
	return nil
}

// Selected returns the name given to Select.
func Selected() string { return selected }
