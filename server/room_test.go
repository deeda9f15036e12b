package server_test

import (
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/server/config"
	"github.com/vivariumdb/vivarium/wire"
)

// roomFS is a file system that has as much room as it is told.
type roomFS struct {
	vfs.FS
	free *atomic.Uint64
}

func (r roomFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	free := r.free.Load()
	return vfs.DiskUsage{AvailBytes: free, TotalBytes: 1 << 40, UsedBytes: 1<<40 - free}, nil
}

func (r roomFS) Unwrap() vfs.FS { return r.FS }

// On a disk that is nearly full only what grows is refused, and only as long as it is.
func TestLowDisk(t *testing.T) {
	var free atomic.Uint64
	free.Store(1 << 39)
	s := start(t, server.Options{Config: &config.Config{DataDir: "/data"},
		FS: roomFS{vfs.NewCrashableMem(), &free}})
	c := connect(t, s.Addr())
	c.must(wire.OpCreate, creation("/a", []byte("1234"), 0))

	await := func(msg string) {
		t.Helper()
		if _, err := s.log.wait(said(msg)); err != nil {
			t.Fatal(err)
		}
	}
	free.Store(1 << 20)
	await("no quorum has room on its disks: what grows is refused")
	for _, test := range []struct {
		what string
		op   wire.OpCode
		q    record
		want wire.ErrorCode
	}{
		{"a longer value", wire.OpSetData, set("/a", []byte("12345")), wire.CodeQuotaExceeded},
		{"a new znode", wire.OpCreate, creation("/b", nil, 0), wire.CodeQuotaExceeded},
		{"a value of the same length", wire.OpSetData, set("/a", []byte("4321")), 0},
		{"a deletion", wire.OpDelete, &wire.DeleteRequest{Path: "/a", Version: -1}, 0},
	} {
		if r, err := c.try(test.op, test.q); err != nil || r.Err != test.want {
			t.Errorf("%s: %v, %v; want %v", test.what, r.Err, err, test.want)
		}
	}

	free.Store(1 << 39)
	await("a quorum has room on its disks again")
	c.must(wire.OpCreate, creation("/b", nil, 0))
}
