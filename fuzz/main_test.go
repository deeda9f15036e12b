package main

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestFind(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	tree := fstest.MapFS{
		"wire/reader_test.go": file("package wire\nfunc FuzzReader(f *testing.F) {}\n" +
			"func FuzzFrame(f *testing.F) {}\nfunc TestX(t *testing.T) {}\n"),
		"wire/reader.go": file("package wire\nfunc FuzzNotATest() {}\n"),
		"client/p/conn_test.go": file("package p\nfunc (x T) FuzzMethod() {}\n" +
			"func FuzzConn() {}\n"),
		"wire/testdata/b_test.go": file("not go\n"),
		".cache/b_test.go":        file("not go\n"),
	}
	got, err := find(tree)
	if err != nil {
		t.Fatal(err)
	}
	want := []target{{"./client/p", "FuzzConn"}, {"./wire", "FuzzReader"}, {"./wire", "FuzzFrame"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(target{})); diff != "" {
		t.Errorf("find (-want +got):\n%s", diff)
	}
}

func TestSelected(t *testing.T) {
	for _, test := range []struct {
		pkg      string
		patterns []string
		want     bool
	}{
		{"./wire", nil, true},
		{"./wire", []string{"./wire"}, true},
		{"./wire", []string{"wire"}, true},
		{"./wire", []string{"./core"}, false},
		{"./client/protocol", []string{"./client/..."}, true},
		{"./client/protocol", []string{"./client"}, false},
		{"./clients", []string{"./client/..."}, false},
	} {
		if got := selected(test.pkg, test.patterns); got != test.want {
			t.Errorf("selected(%q, %q) = %v, want %v", test.pkg, test.patterns, got, test.want)
		}
	}
}

// TestFollow reads what go test says of a target that fails.
func TestFollow(t *testing.T) {
	const said = `fuzz: elapsed: 0s, gathering baseline coverage: 0/12 completed
fuzz: elapsed: 0s, gathering baseline coverage: 12/12 completed, now fuzzing with 1 workers
fuzz: elapsed: 3s, execs: 325 (108/sec), new interesting: 11 (total: 23)
fuzz: elapsed: 4s, execs: 400 (75/sec), new interesting: 12 (total: 24)
--- FAIL: FuzzX (4.00s)
    --- FAIL: FuzzX (0.00s)
        x_test.go:7: wrong

    Failing input written to testdata/fuzz/FuzzX/a5c862bd97e7adb1
`
	got := result{Package: "./x/y"}
	got.follow(strings.NewReader(said), func(string, ...any) {})
	if !strings.Contains(got.Output, "x_test.go:7: wrong") {
		t.Errorf("the failure is not in %q", got.Output)
	}
	got.Output = ""
	want := result{Package: "./x/y", Execs: 400, Found: 12, Corpus: 24,
		Input: "x/y/testdata/fuzz/FuzzX/a5c862bd97e7adb1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("follow (-want +got):\n%s", diff)
	}
}

func TestReached(t *testing.T) {
	const profile = "mode: set\nm/a.go:1.2,3.4 1 1\nm/a.go:5.1,6.2 2 0\nm/b.go:7.1,8.2 1 12\n"
	want := map[string]bool{"m/a.go:1.2,3.4 1": true, "m/b.go:7.1,8.2 1": true}
	if diff := cmp.Diff(want, reached([]byte(profile))); diff != "" {
		t.Errorf("reached (-want +got):\n%s", diff)
	}
}

// TestFollowLongLine reads to the end what it cannot look at.
func TestFollowLongLine(t *testing.T) {
	said := strings.NewReader("--- FAIL: FuzzX (4.00s)\n" + strings.Repeat("a", maxLine+1) +
		"\nFAIL\n")
	var r result
	r.follow(said, func(string, ...any) {})
	if said.Len() > 0 || !strings.Contains(r.Output, "FuzzX") ||
		!strings.Contains(r.Output, "cannot be read") {
		t.Errorf("%d bytes are left, %.100q is kept", said.Len(), r.Output)
	}
}
