package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestLedger goes through a file: new targets come in, those that are gone go out.
func TestLedger(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.json")
	a, b, c := target{"./x", "FuzzA"}, target{"./x", "FuzzB"}, target{"./y", "FuzzA"}
	l, err := readLedger(file, []target{a, b})
	if err != nil {
		t.Fatal(err)
	}
	l[1].CPU, l[1].Execs, l[1].Corpus = 61, 7, 3
	if err := l.write(file); err != nil {
		t.Fatal(err)
	}
	got, err := readLedger(file, []target{b, c})
	if err != nil {
		t.Fatal(err)
	}
	want := ledger{{"./x", "FuzzB", 61, 7, 3}, {Package: "./y", Target: "FuzzA"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the ledger read again (-want +got):\n%s", diff)
	}
	if err := os.WriteFile(file, []byte("[{]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readLedger(file, []target{a}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a damaged ledger gives %v, want an error that names %s", err, file)
	}
}

func TestLedgerNext(t *testing.T) {
	a, b, c := target{"./x", "FuzzA"}, target{"./x", "FuzzB"}, target{"./y", "FuzzA"}
	l := ledger{{"./x", "FuzzA", 50, 0, 0}, {"./x", "FuzzB", 20, 0, 0}, {"./y", "FuzzA", 10, 0, 0}}
	for _, test := range []struct {
		chosen []target
		until  time.Duration
		want   int
	}{
		{[]target{a, b, c}, time.Minute, 2},
		{[]target{a, b}, time.Minute, 1},
		{[]target{a, b}, 20 * time.Second, -1},
		{[]target{a}, 51 * time.Second, 0},
		{nil, time.Minute, -1},
	} {
		if got := l.next(test.chosen, test.until); got != test.want {
			t.Errorf("next(%v, %v) = %d, want %d", test.chosen, test.until, got, test.want)
		}
	}
}

// TestTurn: no turn is much longer than what is missing.
func TestTurn(t *testing.T) {
	for _, test := range []struct {
		cpu     float64
		workers int
		want    time.Duration
	}{
		{0, 2, 6 * time.Minute},
		{1224, 2, 6 * time.Minute}, {1225, 2, 359375 * time.Millisecond},
		{1400, 2, 250 * time.Second}, {1400, 1, 6 * time.Minute}, {1400, 4, 125 * time.Second},
		{1799, 2, 10 * time.Second},
	} {
		a := account{CPU: test.cpu}
		if got := a.turn(6*time.Minute, 30*time.Minute, test.workers); got != test.want {
			t.Errorf("after %v CPU s %d workers get a turn of %v, want %v", test.cpu, test.workers,
				got, test.want)
		}
	}
}

func TestMerge(t *testing.T) {
	var results []result
	for _, r := range []result{
		{Package: "./x", Target: "FuzzA", Seconds: 2, CPU: 1, Execs: 10, Found: 1, Corpus: 5},
		{Package: "./y", Target: "FuzzA", Seconds: 1},
		{Package: "./x", Target: "FuzzA", Seconds: 3, CPU: 2, Execs: 20, Found: 2, Corpus: 7,
			Failed: true},
	} {
		results = merge(results, r)
	}
	want := []result{
		{Package: "./x", Target: "FuzzA", Seconds: 5, CPU: 3, Execs: 30, Found: 3, Corpus: 7,
			Failed: true},
		{Package: "./y", Target: "FuzzA", Seconds: 1},
	}
	if diff := cmp.Diff(want, results); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
}

func TestLedgerDocument(t *testing.T) {
	file := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(file, []byte("<!-- fuzz: begin -->\n<!-- fuzz: end -->\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	l := ledger{{"./x", "FuzzA", 60, 5, 1}, {"./y", "FuzzB", 120, 6, 2}}
	if err := l.document(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const want = "| y `FuzzB` | 2 | 6 | 2 |\n| x `FuzzA` | 1 | 5 | 1 |\n| all 2 | 3 | 11 | 3 |\n"
	if !strings.Contains(string(text), want) {
		t.Errorf("no\n%s in\n%s", want, text)
	}
}

// TestCredit: what another command has written meanwhile stays, a turn that was too short to count
// what there is takes nothing away, and who fails begins anew.
func TestCredit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.json")
	a, b, c := target{"./x", "FuzzA"}, target{"./x", "FuzzB"}, target{"./x", "FuzzC"}
	for _, r := range []result{
		{Package: "./x", Target: "FuzzC", CPU: 9, Execs: 9, Corpus: 2},
		{Package: "./x", Target: "FuzzC", CPU: 1, Execs: 1, Failed: true},
		{Package: "./x", Target: "FuzzA", CPU: 2, Execs: 10, Corpus: 5},
		{Package: "./x", Target: "FuzzB", CPU: 1, Execs: 7, Corpus: 3},
		{Package: "./x", Target: "FuzzA", CPU: 1, Execs: 1},
	} {
		if err := credit(file, []target{a, b, c}, r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readLedger(file, []target{a, b, c})
	if err != nil {
		t.Fatal(err)
	}
	want := ledger{{"./x", "FuzzA", 3, 11, 5}, {"./x", "FuzzB", 1, 7, 3},
		{"./x", "FuzzC", 0, 0, 2}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the ledger (-want +got):\n%s", diff)
	}
}
