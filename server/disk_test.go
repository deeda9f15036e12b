package server_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/server/config"
	"github.com/vivariumdb/vivarium/wire"
)

// TestDiskErrorsAreFinal: the first operation that the disk refuses stops the server. What was
// acknowledged is there after the next start; what was in flight got no answer, or a late one.
func TestDiskErrorsAreFinal(t *testing.T) {
	broken := errors.New("input/output error")
	for _, test := range []struct {
		name string
		fits func(errorfs.Op) bool
	}{
		{"write of the log", func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileWriteAt && strings.Contains(op.Path, "vivarium/log-")
		}},
		{"sync of the log", func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileSyncData && strings.Contains(op.Path, "vivarium/log-")
		}},
		{"sync of the mark", func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, "vivarium/mark")
		}},
		{"checkpoint", func(op errorfs.Op) bool {
			return op.Kind.ReadOrWrite() == errorfs.OpIsWrite &&
				strings.Contains(op.Path, "vivarium/state") && !strings.HasSuffix(op.Path, ".log")
		}},
		{"everything", func(op errorfs.Op) bool {
			return op.Kind.ReadOrWrite() == errorfs.OpIsWrite
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			memory := vfs.NewCrashableMem()
			var armed atomic.Bool
			faulty := errorfs.Wrap(memory, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if armed.Load() && test.fits(op) {
					return broken
				}
				return nil
			}))
			options := func(fs vfs.FS) *server.Options {
				return &server.Options{Config: &config.Config{DataDir: "/data"}, FS: fs,
					// Small, so that the load needs checkpoints.
					Member: replication.Config{CheckpointBytes: 64 << 10}}
			}
			s, err := open(t, options(faulty))
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- s.Run(context.Background()) }()
			<-s.Serving()
			c := connect(t, s.Addr())
			c.must(wire.OpCreate, creation("/a", nil, 0))
			acked := int32(0)
			for err == nil {
				if acked == 100 {
					armed.Store(true)
				}
				var p reply
				if p, err = c.try(wire.OpSetData, set("/a", make([]byte, 1000))); err == nil {
					if p.Err != 0 {
						t.Fatalf("answered with %v", p.Err)
					}
					acked++
				}
			}
			if acked < 100 {
				t.Fatalf("the connection ended after %d writes: %v", acked, err)
			}
			if err := <-done; !errors.Is(err, broken) {
				t.Errorf("Run returned %v, want the error of the disk", err)
			}

			// The power fails as well: nothing is left but what was synced.
			again, err := open(t, options(memory.CrashClone(vfs.CrashCloneCfg{})))
			if err != nil {
				t.Fatal(err)
			}
			run(again)
			<-again.Serving()
			p := connect(t, again.Addr()).must(wire.OpExists, get("/a"))
			var st wire.Stat
			r := wire.NewReader(p.body)
			if st.Decode(&r); st.Version < acked || st.Version > acked+1 {
				t.Errorf("%d writes there, %d acknowledged and at most one in flight",
					st.Version, acked)
			}
		})
	}
}

// TestStopWithABrokenDisk: an orderly stop that cannot save says so, and does not hang.
func TestStopWithABrokenDisk(t *testing.T) {
	broken := errors.New("input/output error")
	var armed atomic.Bool
	faulty := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if armed.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return broken
		}
		return nil
	}))
	s := start(t, server.Options{Config: &config.Config{DataDir: "/data"}, FS: faulty})
	connect(t, s.Addr()).must(wire.OpCreate, creation("/a", nil, 0))
	armed.Store(true)
	if err := s.stop(); !errors.Is(err, broken) {
		t.Errorf("Run returned %v, want the error of the disk", err)
	}
}

// TestDirectoryOfADeadServer: a server that was killed between making a directory and syncing its
// name leaves it to the next one, whose data must not go with it when the power fails.
func TestDirectoryOfADeadServer(t *testing.T) {
	for _, left := range []string{"/a", "/a/b", "/a/b/c", "/a/b/c/vivarium"} {
		mem := vfs.NewCrashableMem()
		if err := mem.MkdirAll(left, 0o700); err != nil {
			t.Fatal(err)
		}
		for dir := mem.PathDir(left); dir != "/"; dir = mem.PathDir(dir) {
			above, err := mem.OpenDir(mem.PathDir(dir))
			if err == nil {
				err = errors.Join(above.Sync(), above.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		s := start(t, server.Options{Config: &config.Config{DataDir: "/a/b/c"}, FS: mem})
		connect(t, s.Addr()).must(wire.OpCreate, creation("/kept", nil, 0))
		image := mem.CrashClone(vfs.CrashCloneCfg{})
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		s = start(t, server.Options{Config: &config.Config{DataDir: "/a/b/c"}, FS: image})
		connect(t, s.Addr()).must(wire.OpExists, get("/kept"))
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
	}
}
