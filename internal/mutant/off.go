//go:build !mutants

package mutant

import "fmt"

// Enabled says whether mutants are compiled in.
const Enabled = false

// On reports whether the mutant with this name is the one chosen: never, in this build.
func On(string) bool { return false }

// Select chooses the mutant of this process; "" is none, and all that this build has.
func Select(name string) error {
	switch {
	case name == "":
		return nil
	case !known(name):
		return fmt.Errorf("select mutant %q: no such mutant", name)
	default:
		return fmt.Errorf("select mutant %q: built without mutants, build with -tags mutants", name)
	}
}

// Selected returns the name given to Select.
func Selected() string { return "" }
