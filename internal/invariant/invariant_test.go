package invariant_test

import (
	"errors"
	"testing"

	"github.com/vivariumdb/vivarium/internal/invariant"
)

// violation runs f and returns the Violation it panicked with.
func violation(t *testing.T, f func()) (v invariant.Violation, broken bool) {
	t.Helper()
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		err, ok := r.(error)
		if !ok || !errors.As(err, &v) {
			t.Fatalf("panicked with %v, want a Violation", r)
		}
		broken = true
	}()
	f()
	return v, false
}

func TestChecks(t *testing.T) {
	for _, test := range []struct {
		name string
		f    func()
		want string // "" means that nothing is broken
	}{
		{"Check(true)", func() { invariant.Check(true, "never") }, ""},
		{"Check(false)", func() { invariant.Check(false, "a < b") }, "a < b"},
		{"Checkf(true)", func() { invariant.Checkf(true, "a is %d", 3) }, ""},
		{"Checkf(false)", func() { invariant.Checkf(false, "a is %d", 3) }, "a is 3"},
		{"Unreachable", func() { invariant.Unreachable("op %d", 9) }, "op 9"},
	} {
		v, broken := violation(t, test.f)
		if broken != (test.want != "") || v.Text != test.want {
			t.Errorf("%s broke %v with %q, want %q", test.name, broken, v.Text, test.want)
		}
	}
	if got, want := (invariant.Violation{Text: "x"}).Error(), "invariant broken: x"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	n := 0
	allocs := testing.AllocsPerRun(100, func() {
		n++
		invariant.Check(n > 0, "counted")
	})
	if allocs != 0 {
		t.Errorf("Check allocated %v times, want 0", allocs)
	}
}
