package linearizability

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fuzzHistories adds small histories: one of every kind of line, and the beginning of a real one.
func fuzzHistories(f *testing.F) {
	h := &History{Header: Header{Version: Version, Seed: 1}}
	for k := KindConnect; k <= KindNote; k++ {
		l := fullLine()
		l.Kind = k
		h.Add(l)
	}
	for k := CommitRequest; k <= CommitOther; k++ {
		l := fullLine()
		l.Commit.Kind = k
		h.Add(l)
	}
	var b bytes.Buffer
	if err := h.Write(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.String())
	text, err := os.ReadFile("testdata/zookeeper-3.9.4.history")
	if err != nil {
		f.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	for _, n := range []int{1, 12, 40} {
		f.Add(strings.Join(lines[:min(n, len(lines))], ""))
	}
}

// FuzzHistory: a history that can be read is written as what is read as the same, and needs not
// much more memory than the file is long.
func FuzzHistory(f *testing.F) {
	fuzzHistories(f)
	f.Fuzz(func(t *testing.T, text string) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		h, err := Read(strings.NewReader(text))
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 256*uint64(len(text))+1<<18 {
			t.Fatalf("reading %d bytes took %d bytes of memory: %q", len(text), took, text)
		}
		if err != nil {
			return
		}
		again := roundTrip(t, h)
		if d := cmp.Diff(h, again); d != "" {
			t.Fatalf("%q is not what was written (-first +second):\n%s", text, d)
		}
	})
}

// FuzzJudge lets the judges look at arbitrary histories: they end, and change nothing.
func FuzzJudge(f *testing.F) {
	fuzzHistories(f)
	f.Fuzz(func(t *testing.T, text string) {
		h, err := Read(strings.NewReader(text))
		if err != nil || len(h.Lines) > 200 {
			return
		}
		first := Judge(h)
		if d := cmp.Diff(first, Judge(h), cmp.AllowUnexported(Report{})); d != "" {
			t.Fatalf("judged twice, with two verdicts:\n%s", d)
		}
	})
}
