// Package invariant holds the assertions that run in production, in tests and in simulations.
//
// A broken invariant is a defect of ours, never an outcome of a request and never an operating
// error: it panics with a Violation, because a state machine that no longer is what it says it is
// must not answer anybody. Cheap checks call Check and are always on. A check that costs more
// than a few comparisons stands under Enabled, a constant that the build tag `checked` turns on
// (tests and simulations are built with it, the server is not):
//
//	invariant.Check(n.parent != nil || n == root, "znode without a parent")
//	if invariant.Enabled {
//		invariant.Check(t.countNodes() == t.count, "count of znodes is not kept")
//	}
//
// The tag is not called `invariants`, which would switch on pebble's checks of that name as well:
// these draw random numbers and make every table operation linear.
package invariant

import "fmt"

// Violation is the value with which a broken invariant panics.
type Violation struct {
	// Text says what should have held.
	Text string
}

// Error makes the runtime print the text when the panic is not recovered.
func (v Violation) Error() string { return "invariant broken: " + v.Text }

// Check panics with a Violation if cond is false. It allocates nothing and is inlined.
func Check(cond bool, text string) {
	if !cond {
		fail(text)
	}
}

// Checkf is Check with a formatted text. Its arguments are boxed even if cond holds: it is for
// places that run seldom.
func Checkf(cond bool, format string, args ...any) {
	if !cond {
		fail(fmt.Sprintf(format, args...))
	}
}

// Unreachable marks a place that cannot be reached, such as the default of a switch that names
// every case.
func Unreachable(format string, args ...any) {
	fail(fmt.Sprintf(format, args...))
}

//go:noinline
func fail(text string) { panic(Violation{Text: text}) }
