package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

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
	got.follow(strings.NewReader(said), func(string, ...any) {}, nil)
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
	r.follow(said, func(string, ...any) {}, nil)
	if said.Len() > 0 || !strings.Contains(r.Output, "FuzzX") ||
		!strings.Contains(r.Output, "cannot be read") {
		t.Errorf("%d bytes are left, %.100q is kept", said.Len(), r.Output)
	}
}

// TestFollowAbsent: a binary without the target says so and exits as if all were well, and a target
// that nobody has run has not passed.
func TestFollowAbsent(t *testing.T) {
	var r result
	r.follow(strings.NewReader(absentLine+"\nPASS\n"), func(string, ...any) {}, nil)
	if !r.Failed {
		t.Errorf("%q is no failure: %+v", absentLine, r)
	}
}

// TestRunRefuses: what would run for ever, or nothing, is refused before anything is built.
func TestRunRefuses(t *testing.T) {
	good := flags{each: time.Second, output: "text"}
	for _, test := range []struct {
		change func(*flags)
		want   string
	}{
		{func(f *flags) { f.each = 0 }, "-time 0s"},
		{func(f *flags) { f.each = -time.Second }, "-time -1s"},
		{func(f *flags) { f.until = -time.Second }, "-until -1s"},
		{func(f *flags) { f.keep = -1 }, "-keep -1"},
		{func(f *flags) { f.workers = -1 }, "-workers -1"},
		{func(f *flags) { f.output = "xml" }, `output "xml"`},
		{func(f *flags) { f.only = "(" }, "-only"},
		{func(f *flags) { f.only = "NoSuch" }, "no such fuzz target"},
	} {
		f := good
		test.change(&f)
		err := run(context.Background(), f, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("run(%+v) = %v, want an error about %s", f, err, test.want)
		}
	}
}

// TestFuzzIsInterrupted runs no fuzz target but a shell in its place: who is interrupted has run
// for less time and has not failed, unless it had found something.
func TestFuzzIsInterrupted(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, script string
		each         time.Duration
		code         int // with which it ends when it is interrupted
		want         bool
	}{
		{"ends by itself", "", time.Hour, 1, false},
		{"fails", "exit 1", time.Hour, 0, true},
		{"is interrupted", "kill -USR1 $PPID; while :; do sleep 0.01; done", time.Hour, 1, false},
		{"fails and is interrupted",
			"echo '    Failing input written to testdata/fuzz/FuzzX/1'; kill -USR1 $PPID; exit 1",
			time.Hour, 1, true},
		{"has had its time", "while :; do sleep 0.01; done", time.Millisecond, 0, false},
		{"fails in the end", "while :; do sleep 0.01; done", time.Millisecond, 1, true},
	} {
		script := filepath.Join(t.TempDir(), "test")
		text := fmt.Sprintf("#!%s\ntrap 'exit %d' INT\necho 'fuzz: elapsed: 3s, execs: 325 "+
			"(108/sec), new interesting: 11 (total: 23)'\n%s\n", sh, test.code, test.script)
		if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGUSR1)
		r := target{".", "FuzzX"}.fuzz(ctx, flags{each: test.each}, script, t.TempDir(),
			io.Discard, "x")
		if stop(); r.Failed != test.want || r.Execs != 325 {
			t.Errorf("a target that %s: %+v, want it failed: %v", test.name, r, test.want)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if r := (target{".", "FuzzX"}).fuzz(ctx, flags{}, sh, "", io.Discard, "x"); r.Failed {
		t.Errorf("a target that was not begun: %+v", r)
	}
}
