//go:build mutants

package replication

import (
	"cmp"
	"strings"
	"testing"

	"github.com/vivariumdb/vivarium/internal/mutant"
)

// TestMutants shows that the harness sees: each known bug is caught, by a scenario or by a world
// of random faults.
func TestMutants(t *testing.T) {
	defer func() { _ = mutant.Select("") }()
	for _, m := range mutant.List() {
		if !strings.HasPrefix(m.Name, "replication-") {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			if err := mutant.Select(m.Name); err != nil {
				t.Fatal(err)
			}
			if by := catch(); by != "" {
				t.Log(by)
			} else {
				t.Errorf("%s is not caught", m.Name)
			}
		})
	}
}

func catch() string {
	const seeds = 8
	if text := foundingMutant(); text != "" {
		return "founding: " + text
	}
	for seed := range uint64(seeds) {
		for _, s := range scenarios { // most are caught by one of them with any seed
			if err := inWorld(seed, cmp.Or(s.n, 3), s.cfg, s.do); err != nil {
				return firstLine(s.name, err)
			}
		}
	}
	for seed := range uint64(2 * seeds) {
		if err := inWorld(seed, 3, hurried(seed), jumpWorld); err != nil {
			return firstLine("hurried", err)
		}
	}
	for seed := range uint64(2 * seeds) {
		if err := inWorld(seed, 3, small(), anyWorld(4)); err != nil {
			return firstLine("random faults", err)
		}
	}
	return ""
}

func firstLine(by string, err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return by + ": " + line
}

// foundingMutant finds the bugs that only the tests of founding can see.
func foundingMutant() (text string) {
	twoWiped(func(s string) { text = s })
	emptied(func(s string) { text = s })
	return text
}
