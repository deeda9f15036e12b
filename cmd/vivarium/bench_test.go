package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/vivariumdb/vivarium/client/load"
)

// TestBenchWritesWhatIsMeasured before a workload fails.
func TestBenchWritesWhatIsMeasured(t *testing.T) {
	failure := errors.New("connection refused")
	run := func(o load.Options) (*load.Result, error) {
		if o.Workload == load.Write {
			return nil, failure
		}
		return &load.Result{Workload: o.Workload}, nil
	}
	runs := []load.Options{{Workload: load.Read}, {Workload: load.Write}, {Workload: load.Multi}}
	for _, output := range []string{"text", "json"} {
		var out bytes.Buffer
		err := runBench(&out, output, runs, run)
		if !errors.Is(err, failure) || err.Error() != "bench write: connection refused" {
			t.Errorf("%s: %v, want that of the second workload", output, err)
		}
		if !strings.Contains(out.String(), "read") || strings.Contains(out.String(), "multi") {
			t.Errorf("%s: want the first workload, and not the last:\n%s", output, out.String())
		}
		out.Reset()
		if err := runBench(&out, output, runs[1:], run); err == nil || out.Len() > 0 {
			t.Errorf("%s: nothing was measured, and it writes %q, %v", output, out.String(), err)
		}
	}
}
