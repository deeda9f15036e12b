//go:build mutants

package replication

import (
	"fmt"
	"testing"

	"github.com/vivariumdb/vivarium/internal/mutant"
)

// stopper ends a run by a panic.
type stopper struct{}

func (stopper) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (stopper) Logf(string, ...any)               {}

// failure is what a run of a script is ended by, "" if it comes to its end.
func failure(data []byte) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprint(r)
		}
	}()
	drive(stopper{}, data)
	return ""
}

// TestMutantsFuzzed shows that FuzzMember sees: random scripts catch known bugs of each kind that
// it looks for. Others are left to the scenarios and to package sim.
func TestMutantsFuzzed(t *testing.T) {
	defer func() { _ = mutant.Select("") }()
	for _, name := range []string{"storage-checkpoint-without-sessions",
		"storage-checkpoint-parent-counters", "reads-own-write-not-seen",
		"reads-sync-not-waited", "reads-order-broken-on-error", "replication-no-resend",
		"replication-proposed-in-transfer", "replication-snapshot-wrong-index",
		"replication-installed-log-not-restarted", "reads-header-zxid-later",
		"watches-deferred-read-after-batch"} {
		t.Run(name, func(t *testing.T) {
			if err := mutant.Select(name); err != nil {
				t.Fatal(err)
			}
			for seed := range uint64(60) {
				if text := failure(randomScript(seed)); text != "" {
					t.Logf("script %d: %.150s", seed, text)
					return
				}
			}
			t.Errorf("%s is not caught", name)
		})
	}
}
