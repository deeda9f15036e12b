//go:build mutants

package store

import (
	"testing"

	"github.com/vivariumdb/vivarium/internal/mutant"
	"pgregory.net/rapid"
)

// TestMutants shows that the crash tests can see: each known bug fails them on each disk.
func TestMutants(t *testing.T) {
	names := []string{"store-ack-before-sync", "store-torn-tail-as-data",
		"store-truncated-suffix-left", "store-checkpoint-index-off", "store-term-vote-not-synced"}
	crashes := map[string]func([]op) error{
		"memory": crashMemoryEverywhere,
		"store":  func(ops []op) error { return crashStore(ops, 0, 1) }}
	ops := rapid.Custom(func(t *rapid.T) []op { return drawOps(t, 12) })
	defer func() { _ = mutant.Select("") }()
	for _, name := range names {
		if err := mutant.Select(name); err != nil {
			t.Fatal(err)
		}
		for disk, crash := range crashes {
			const most = 300
			for seed := 0; ; seed++ {
				if seed == most {
					t.Errorf("%s on %s: not caught by %d sequences", name, disk, most)
					break
				}
				if err := crash(ops.Example(seed)); err != nil {
					t.Logf("%s on %s: caught by sequence %d", name, disk, seed)
					break
				}
			}
		}
	}
}
