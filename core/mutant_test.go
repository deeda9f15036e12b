//go:build mutants

package core

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vivariumdb/vivarium/internal/mutant"
)

// TestMutants shows that the tests of members see: each known bug is caught.
func TestMutants(t *testing.T) {
	defer func() { _ = mutant.Select("") }()
	for _, m := range mutant.List() {
		if !strings.HasPrefix(m.Name, "members-") {
			continue
		}
		if err := mutant.Select(m.Name); err != nil {
			t.Fatal(err)
		}
		if by := caught(); by != "" {
			t.Logf("%-32s %s", m.Name, by)
		} else {
			t.Errorf("%s is not caught", m.Name)
		}
	}
}

// verdict is a test whose failure is what is looked for.
type verdict struct {
	testing.TB
	text string
}

func (v *verdict) Helper()                           {}
func (v *verdict) Error(args ...any)                 { v.Errorf("%s", fmt.Sprint(args...)) }
func (v *verdict) Fatal(args ...any)                 { v.Fatalf("%s", fmt.Sprint(args...)) }
func (v *verdict) Errorf(format string, args ...any) { v.text += fmt.Sprintf(format, args...) }
func (v *verdict) Fatalf(format string, args ...any) {
	v.Errorf(format, args...)
	panic(v)
}

func caught() (by string) {
	for _, check := range []func(testing.TB){checkAdmit, checkRemovedMembersStream,
		checkReconfigRefused, checkReconfigEnds, checkRaise, checkRemovedMemberAttachesNobody} {
		v := &verdict{}
		func() {
			defer func() {
				if r := recover(); r != nil && r != any(v) {
					v.Errorf("panic: %v", r)
				}
			}()
			check(v)
		}()
		if v.text != "" {
			return v.text
		}
	}
	return ""
}
