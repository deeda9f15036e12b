package server_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/server/config"
	"github.com/vivariumdb/vivarium/wire"
)

// TestStatus asks by the socket in the data directory, where no whitelist counts.
func TestStatus(t *testing.T) {
	dir := t.TempDir()
	s := start(t, server.Options{Config: &config.Config{DataDir: dir,
		FourLetterWords: []string{"srvr"}}, Version: server.Version{Release: "7"}})
	c := connect(t, s.Addr())
	created := c.must(wire.OpCreate, &wire.CreateRequest{Path: "/e", Data: []byte("four"),
		ACL: wire.OpenACL(), Flags: 1})
	c.must(wire.OpGetData, &wire.PathWatchRequest{Path: "/e", Watch: true})
	got, err := server.AskStatus(dir, patience)
	if err != nil {
		t.Fatal(err)
	}
	want := &server.Status{Serving: true, Mode: "standalone", Release: "7",
		ZooKeeper: server.ZooKeeperRelease, Address: s.Addr().String(), Connections: 1,
		Sessions: 1, Watches: 1, Znodes: 6, Ephemerals: 1, Zxid: fmt.Sprintf("%#x", created.Zxid),
		Storage: server.Storage{DataDir: dir, DataLogDir: dir, SavedAgeMs: -1}}
	changing := cmpopts.IgnoreFields(server.Status{}, "PID", "UptimeMs", "DataBytes",
		"LatencyMs", "FsyncMs")
	onDisk := cmpopts.IgnoreFields(server.Storage{}, "DataDirBytes", "LogDirBytes", "FreeBytes",
		"AppliedIndex")
	if diff := cmp.Diff(want, got, changing, onDisk); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if got.PID == 0 || got.DataBytes == 0 || got.FsyncMs.Count == 0 ||
		got.Storage.DataDirBytes == 0 || got.Storage.AppliedIndex == 0 {
		t.Errorf("status leaves out what it knows: %+v", got)
	}

	if err := s.Alive(t.Context()); err != nil {
		t.Errorf("a server that runs: Alive = %v", err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := s.Alive(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server whose loop does not turn: Alive = %v", err)
	}
	for _, dir := range []string{dir, filepath.Join(dir, "none")} {
		if _, err := server.AskStatus(dir, patience); !errors.Is(err, server.ErrNotRunning) {
			t.Errorf("AskStatus(%q) = %v, want ErrNotRunning", dir, err)
		}
	}
}
