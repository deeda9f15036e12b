package zkdata

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPassword compares with what a real server gave to two sessions.
func TestPassword(t *testing.T) {
	for session, want := range map[int64]string{
		0x10000662fa50000: "b1576e6dea8d85dc7774164a43c988dd",
		0x10000662fa50001: "c478686d8ad964216cb77d7517529daa",
	} {
		if p := Password(session); hex.EncodeToString(p[:]) != want {
			t.Errorf("Password(%#x) = %x, want %s", session, p, want)
		}
	}
}

// TestFlippedBytes changes every eleventh byte of the newest whole snapshot and of the log that it
// needs. What comes of it is an error that names a file, or the same tree; or the last transaction
// is gone, and the report says so.
func TestFlippedBytes(t *testing.T) {
	dir := copyOf(t, filepath.Join("testdata", "gz"))
	want, report := load(t, dir)
	text := strings.Join(withoutStats(describe(want)), "\n")
	logs, err := list(dir, "log.")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{report.Snapshot, logs[len(logs)-2].path,
		logs[len(logs)-1].path} {
		whole, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		errors := 0
		for i := 0; i < len(whole); i += 11 {
			whole[i] ^= 0x41
			if err := os.WriteFile(name, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			tree, report, err := Load(Source{DataDir: dir})
			whole[i] ^= 0x41
			switch {
			case err != nil:
				if errors++; !strings.Contains(err.Error(), dir) {
					t.Errorf("byte %d of %s: %v: which file?", i, name, err)
				}
			case strings.Join(withoutStats(describe(tree)), "\n") == text:
			case len(report.Torn) > 0 && tree.Zxid == want.Zxid-1:
			default:
				t.Errorf("byte %d of %s: neither an error nor the same tree: %+v", i, name, report)
			}
		}
		t.Logf("%s: %d of %d bytes refuse the whole", filepath.Base(name), errors, len(whole)/11)
		if err := os.WriteFile(name, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMissing removes what is needed and says what is said.
func TestMissing(t *testing.T) {
	glob := func(t *testing.T, dir, pattern string) []string {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(dir, "version-2", pattern))
		if err != nil || len(names) == 0 {
			t.Fatal(names, err)
		}
		return names
	}
	for _, test := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   string
	}{
		{"no snapshot", func(t *testing.T, dir string) {
			for _, name := range glob(t, dir, "snapshot.*") {
				remove(t, name)
			}
		}, "no data of a ZooKeeper"},
		{"no whole snapshot", func(t *testing.T, dir string) {
			for _, name := range glob(t, dir, "snapshot.*") {
				if err := os.Truncate(name, 5); err != nil {
					t.Fatal(err)
				}
			}
		}, "no snapshot is whole"},
		{"a log in the midst", func(t *testing.T, dir string) {
			for _, name := range glob(t, dir, "snapshot.[1-9a-f]*") {
				remove(t, name)
			}
			remove(t, glob(t, dir, "log.7d")[0])
		}, "those between are missing"},
		{"the last log", func(t *testing.T, dir string) {
			if err := os.Truncate(glob(t, dir, "snapshot.119")[0], 100); err != nil {
				t.Fatal(err)
			}
			for _, name := range glob(t, dir, "log.1[02]*") {
				remove(t, name)
			}
		}, "before a snapshot that is not whole"},
		{"a snapshot of something else", func(t *testing.T, dir string) {
			for _, name := range glob(t, dir, "snapshot.*") {
				err := os.WriteFile(name, bytes.Repeat([]byte("no snapshot"), 99), 0o600)
				if err != nil {
					t.Fatal(err)
				}
			}
		}, "no snapshot of version 2"},
		{"a log of something else", func(t *testing.T, dir string) {
			err := os.WriteFile(glob(t, dir, "log.12c")[0], []byte(strings.Repeat("x", 99)), 0o600)
			if err != nil {
				t.Fatal(err)
			}
		}, "no transaction log of version 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := copyOf(t, filepath.Join("testdata", "plain"))
			test.damage(t, dir)
			_, _, err := Load(Source{DataDir: dir})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
	if _, _, err := Load(Source{DataDir: "nowhere"}); !errors.Is(err, ErrNothing) {
		t.Errorf("nowhere: %v, want %v", err, ErrNothing)
	}
}

// TestAcceptGaps takes in what is left when a log is missing, and says where.
func TestAcceptGaps(t *testing.T) {
	dir := copyOf(t, filepath.Join("testdata", "plain"))
	for _, pattern := range []string{"snapshot.[1-9a-f]*", "log.7d"} {
		names, _ := filepath.Glob(filepath.Join(dir, "version-2", pattern))
		for _, name := range names {
			remove(t, name)
		}
	}
	tree, report, err := Load(Source{DataDir: dir, AcceptGaps: true})
	if err != nil || len(report.Gaps) != 1 {
		t.Fatalf("%v, %+v; want one gap", err, report)
	}
	full, _ := load(t, filepath.Join("testdata", "plain"))
	if tree.Zxid != full.Zxid {
		t.Errorf("zxid %#x, want %#x", tree.Zxid, full.Zxid)
	}
}

// TestFollows: what may follow a transaction in the logs of a leader, and of a server of its own.
func TestFollows(t *testing.T) {
	for _, test := range []struct {
		last, next int64
		may        bool
	}{
		{0, 1, true},
		{5, 6, true},
		{5, 5, false},
		{5, 7, false},
		{5, 1<<32 | 1, true},
		{5, 1<<32 | 2, false},
		{5, 1 << 32, false},
		{1<<32 | 9, 3<<32 | 1, true},
		{3<<32 | 9, 2<<32 | 1, false},
		{1<<32 - 1, 1 << 32, true}, // a server of its own begins no new epoch
		{1 << 32, 1<<32 | 1, true},
		{1<<32 - 1, 1<<32 | 1, true},
	} {
		if what := follows(test.last, test.next); (what == "") != test.may {
			t.Errorf("follows(%#x, %#x) = %q, want that it may: %v", test.last, test.next, what,
				test.may)
		}
	}
}
