package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vivariumdb/vivarium/internal/zkdata"
)

// TestCapture writes the files below internal/zkdata/testdata, if REWRITE is set: what a real
// ZooKeeper that was killed at work left behind, and what another one made of it.
func TestCapture(t *testing.T) {
	if os.Getenv("REWRITE") == "" {
		t.Skip("REWRITE is not set")
	}
	for _, pack := range []zkdata.Compression{zkdata.Plain, zkdata.Gzip, zkdata.Snappy} {
		name := "plain"
		if pack != zkdata.Plain {
			name = string(pack)
		}
		to := filepath.Join("..", "..", "internal", "zkdata", "testdata", name)
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
		dir, _, _ := killedUnderLoad(t, pack, 150)
		if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		trimLogs(t, to)
		z := startZooKeeper(t, dir, freeAddress(t))
		if err := os.WriteFile(to+".txt", describe(dump(t, dial(t, z.addr))), 0o644); err != nil {
			t.Fatal(err)
		}
		z.kill()
	}
}

// trimLogs leaves 100 of the zeros that a log is written ahead with.
func trimLogs(t *testing.T, dir string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "version-2", "log.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range logs {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b = append(bytes.TrimRight(b, "\x00"), make([]byte, 100)...)
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// describe puts every znode into a line, as the test of internal/zkdata does with what it reads.
func describe(all map[string]znode) []byte {
	paths := make([]string, 0, len(all))
	for path := range all {
		paths = append(paths, path)
	}
	slices.SortFunc(paths, cmp.Compare)
	var b bytes.Buffer
	for _, path := range paths {
		n := all[path]
		st := n.Stat
		data := "null"
		if !n.Null {
			data = fmt.Sprintf("%d bytes %.4x", len(n.Data), sha256.Sum256(n.Data))
		}
		fmt.Fprintf(&b, "%q c=%#x m=%#x p=%#x ct=%d mt=%d v=%d cv=%d av=%d owner=%#x "+
			"kids=%d %s %v\n",
			path, st.Czxid, st.Mzxid, st.Pzxid, st.Ctime, st.Mtime, st.Version, st.Cversion,
			st.Aversion, uint64(st.EphemeralOwner), st.NumChildren, data, n.ACL)
	}
	return b.Bytes()
}
