package zkcli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stub starts a shell script in the place of Java: a client that prints what a test wants.
func stub(t *testing.T, script string) *client {
	t.Helper()
	dir := t.TempDir()
	java := filepath.Join(dir, "java")
	if err := os.WriteFile(java, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	c, err := startClient(Setup{Java: java}, dir, "log", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.shown = "h:1(CONNECTED)"
	t.Cleanup(c.kill)
	return c
}

// A watcher's two messages, as shell prints them.
const (
	announce = `printf '\nWATCHER::\n'; `
	watched  = `printf '\nWatchedEvent state:SyncConnected type:%s path:%s zxid: %s\n' `
	changed  = watched + "NodeDataChanged /x 3; "
	created  = watched + "NodeCreated /y 4; "
)

// TestNext takes events out of what they stand in, and tells them with the next sync.
func TestNext(t *testing.T) {
	c := stub(t, `
printf 'Welcome\n[zk: h:1(CONNECTING) 0] '; read line
`+announce+`printf '[a'; `+changed+`printf ', b]\n[zk: h:1(CONNECTED) 1] '; `+announce+`read line
printf 'Sync '; `+created+`printf 'is OK\n[zk: h:1(CONNECTED) 2] '; read line
printf '[zk: h:1(CLOSED) 3] '; read line
printf 'sorry\n\tat x.y\n'; exit 3
`)
	steps := []struct {
		typed string
		want  []string
	}{
		{"", []string{"| Welcome"}},
		{"ls /", []string{"| [a, b]"}},
		{"sync /", []string{"| Sync is OK",
			"! WatchedEvent state:SyncConnected type:NodeDataChanged path:/x zxid: 3",
			"! WatchedEvent state:SyncConnected type:NodeCreated path:/y zxid: 4"}},
		{"close", []string{"= h:1(CLOSED)"}},
		{"quit", []string{"| sorry", "= exit 3"}},
	}
	for _, step := range steps {
		if step.typed != "" {
			if _, err := c.input.Write([]byte(step.typed + "\n")); err != nil {
				t.Fatal(err)
			}
		}
		got, err := c.next(t.Context(), step.typed)
		if err != nil {
			t.Fatalf("%q: %v", step.typed, err)
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", step.typed, diff)
		}
	}
}

// TestAwait tells the events up to the awaited one, those of removed watches in a fixed order.
func TestAwait(t *testing.T) {
	c := stub(t, announce+watched+"PersistentWatchRemoved /x -1; "+
		announce+watched+"DataWatchRemoved /x -1; "+
		announce+created+announce+changed+"read line")
	got, err := c.await(t.Context(), "type:NodeCreated path:/y")
	want := []string{
		"! WatchedEvent state:SyncConnected type:DataWatchRemoved path:/x zxid: -1",
		"! WatchedEvent state:SyncConnected type:PersistentWatchRemoved path:/x zxid: -1",
		"! WatchedEvent state:SyncConnected type:NodeCreated path:/y zxid: 4"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("await: %v (-want +got)\n%s", err, diff)
	}
	want = []string{
		"! WatchedEvent state:SyncConnected type:NodeDataChanged path:/x zxid: 3", "= exit 1"}
	got, err = c.end(t.Context())
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("end: %v (-want +got)\n%s", err, diff)
	}
}

// TestPromptOutOfTurn refuses a prompt that does not count the commands.
func TestPromptOutOfTurn(t *testing.T) {
	c := stub(t, `printf '[zk: h:1(CONNECTED) 1] '; read line`)
	if got, err := c.next(t.Context(), ""); err == nil {
		t.Errorf("next = %q, want an error", got)
	}
}

func TestInOrder(t *testing.T) {
	tests := []struct{ command, text, want string }{
		{"getEphemerals", "[/b, /a]\n", "[/a, /b]\n"},
		{"getEphemerals", "[]\n", "[]\n"},
		{"getEphemerals", "Path must start with / character\n",
			"Path must start with / character\n"},
		{"whoami", "Auth scheme: User\nip: 1\ndigest: a\n",
			"Auth scheme: User\ndigest: a\nip: 1\n"},
		{"whoami", "Not connected\n", "Not connected\n"},
		{"ls", "[b, a]\n", "[b, a]\n"},
	}
	for _, tt := range tests {
		if got := inOrder(tt.command, tt.text); got != tt.want {
			t.Errorf("inOrder(%q, %q) = %q, want %q", tt.command, tt.text, got, tt.want)
		}
	}
}
