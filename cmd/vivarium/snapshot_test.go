package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/client"
	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/server/snapshot"
)

// TestSnapshotOnline saves a server that works, restores what was saved, and finds in it every
// write that was answered before, of each writer a prefix, and the sessions.
func TestSnapshotOnline(t *testing.T) {
	addr, dir := freeAddress(t), filepath.Join(t.TempDir(), "data")
	us := startOurs(t, dir, addr)
	c := dial(t, addr)
	for _, path := range []string{"/w", "/mine"} {
		_, err := c.Create(t.Context(), path, []byte(path), client.Persistent, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Create(t.Context(), "/mine/e", nil, client.Ephemeral, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for lane := range 4 {
		w := dial(t, addr)
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				path := fmt.Sprintf("/w/%d-%06d", lane, i)
				_, _ = w.Create(ctx, path, nil, client.Persistent, nil)
			}
			_ = w.Close()
		})
	}
	before, _, err := c.Children(t.Context(), "/w")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "backup.viv")
	var saved, offline, verified, restored snapshotSummary
	tool(t, &saved, "snapshot", "save", "--data-dir", dir, file)
	cancel()
	writers.Wait()
	if !saved.Online {
		t.Error("the snapshot was not taken from the running server")
	}
	mine := dump(t, c)
	if err := us.stop(); err != nil {
		t.Fatal(err)
	}
	tool(t, &offline, "snapshot", "save", "--data-dir", dir, filepath.Join(t.TempDir(), "later"))
	if offline.Online || offline.Znodes < len(mine) {
		t.Errorf("offline there are %d znodes, there were %d", offline.Znodes, len(mine))
	}

	again := filepath.Join(t.TempDir(), "again")
	tool(t, &verified, "snapshot", "verify", file)
	tool(t, &restored, "snapshot", "restore", "--data-dir", again, file)
	if saved.Digest != verified.Digest || saved.Digest != restored.Digest {
		t.Errorf("digests %s saved, %s verified, %s restored", saved.Digest, verified.Digest,
			restored.Digest)
	}
	startOurs(t, again, freeAddress(t)).stop()
	address := freeAddress(t)
	startOurs(t, again, address)
	c = dial(t, address)
	got := dump(t, c)
	for path, n := range got {
		want, known := mine[path]
		if path == "/w" || path == "/" {
			continue // they have changed meanwhile
		}
		if diff := cmp.Diff(want, n); !known || diff != "" {
			t.Errorf("%s (-server +restored):\n%s", path, diff)
		}
	}
	prefix(t, before, got)
}

// prefix checks that what the writers wrote is there up to some place, which is not before what
// was seen before.
func prefix(t *testing.T, before []string, got map[string]znode) {
	t.Helper()
	for _, name := range before {
		if _, there := got["/w/"+name]; !there {
			t.Errorf("/w/%s was answered before the snapshot, and is not in it", name)
		}
	}
	count := make(map[string]int)
	for path := range got {
		if rest, ok := strings.CutPrefix(path, "/w/"); ok {
			lane, _, _ := strings.Cut(rest, "-")
			count[lane]++
		}
	}
	for lane, n := range count {
		if _, there := got[fmt.Sprintf("/w/%s-%06d", lane, n-1)]; !there {
			t.Errorf("of writer %s there are %d znodes, and not the first ones", lane, n)
		}
	}
}

// snapshotOf saves a snapshot of a server that has stopped, and returns what is in the file.
func snapshotOf(t *testing.T, dir, file string) []byte {
	t.Helper()
	var saved snapshotSummary
	tool(t, &saved, "snapshot", "save", "--data-dir", dir, file)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

// TestSnapshotDamage changes each byte of a small snapshot, and cuts it at each.
func TestSnapshotDamage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := startOurs(t, dir, freeAddress(t)).stop(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "backup.viv")
	whole := snapshotOf(t, dir, file)
	check := func(what string, b []byte) {
		t.Helper()
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readSnapshot(file); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	for i := range whole {
		b := append([]byte(nil), whole...)
		b[i] ^= 0x10
		check(fmt.Sprintf("byte %d changed", i), b)
		check(fmt.Sprintf("cut at %d", i), whole[:i])
	}
	check("a byte too many", append(append([]byte(nil), whole...), 0))
}

// TestStopWhileSaving stops a server that sends a snapshot to somebody who does not take it.
func TestStopWhileSaving(t *testing.T) {
	addr, dir := freeAddress(t), filepath.Join(t.TempDir(), "data")
	us := startOurs(t, dir, addr)
	c := dial(t, addr)
	for i := range 20 {
		_, err := c.Create(t.Context(), fmt.Sprintf("/large-%d", i), make([]byte, 1<<20-1000),
			client.Persistent, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	from, err := server.OpenSnapshot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if _, err := server.OpenSnapshot(dir); err == nil || !strings.Contains(err.Error(), "another") {
		t.Errorf("a second snapshot at a time: %v", err)
	}
	if err := us.stop(); err != nil {
		t.Fatal(err)
	}
	if err := snapshot.Check(from); err == nil {
		t.Error("what was not sent whole passes for whole")
	}
	if _, err := server.OpenSnapshot(dir); !errors.Is(err, server.ErrNotRunning) {
		t.Errorf("the server is stopped: %v, want %v", err, server.ErrNotRunning)
	}
}
