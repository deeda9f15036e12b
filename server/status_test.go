package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
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

// TestStatusOfLoading asks a server that has the directory and does not listen yet.
func TestStatusOfLoading(t *testing.T) {
	dir := t.TempDir()
	if _, err := os.Stat("/proc/locks"); err != nil {
		t.Skipf("the system does not say who holds a lock: %v", err)
	}
	held, err := server.HoldDirectories(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = server.AskStatus(dir, patience)
	want := fmt.Sprintf("pid %d, does not answer yet", os.Getpid())
	if err == nil || errors.Is(err, server.ErrNotRunning) || !strings.Contains(err.Error(), want) {
		t.Errorf("while it is held: %v, want %q in it", err, want)
	}
	held.Release(false)
	if _, err := server.AskStatus(dir, patience); !errors.Is(err, server.ErrNotRunning) {
		t.Errorf("once it is let go: %v, want ErrNotRunning", err)
	}
}

// serveWatcher is a log that looks, at the line which says that the server serves, whether it does.
type serveWatcher struct {
	slog.Handler
	s  *server.Server
	is chan bool
}

func (h *serveWatcher) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "serving" {
		select {
		case <-h.s.Serving():
			h.is <- true
		default:
			h.is <- false
		}
	}
	return nil
}

// TestServingIsTrue holds the line in the log to its word: who reads it and asks a four-letter
// word was told that nobody is served yet.
func TestServingIsTrue(t *testing.T) {
	h := &serveWatcher{Handler: slog.NewTextHandler(io.Discard, nil), is: make(chan bool, 1)}
	var err error
	h.s, err = server.New(server.Options{Logger: slog.New(h), Config: &config.Config{
		DataDir: t.TempDir(), ClientAddress: "127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.s.Run(ctx) }()
	if !<-h.is {
		t.Error("the log says serving before the server does")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
