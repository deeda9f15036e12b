package zkdata

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// within fails if do takes much more memory than there are bytes, once they are unpacked: gzip
// makes up to 1,032 of one, snappy up to 32. Buffers and a field's first step are added.
func within(t *testing.T, c Compression, bytes int, do func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	ratio := map[Compression]uint64{Plain: 1, Gzip: 1032, Snappy: 32}[c]
	if took := after.TotalAlloc - before.TotalAlloc; took > 128*ratio*uint64(bytes)+8<<20 {
		t.Fatalf("reading %d bytes (%v) took %d bytes of memory", bytes, c, took)
	}
}

// FuzzReadSnapshot: no input panics, and what is taken can be written and read again.
func FuzzReadSnapshot(f *testing.F) {
	for _, pattern := range []string{"plain/version-2/snapshot.16", "gz/version-2/snapshot.28.gz",
		"snappy/version-2/snapshot.12.snappy"} {
		names, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil || len(names) != 1 {
			f.Fatal(pattern, names, err)
		}
		b, err := os.ReadFile(names[0])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(compressionOf(names[0])), b)
	}
	f.Fuzz(func(t *testing.T, pack string, b []byte) {
		c, err := ParseCompression(pack)
		if err != nil {
			return
		}
		var tree *Tree
		within(t, c, len(b), func() {
			tree, _, err = ReadSnapshot(SnapshotName(1, c), bytes.NewReader(b))
		})
		if err != nil || tree.nodes[""] == nil || tree.check(true) != nil {
			return
		}
		var out bytes.Buffer
		writeTree(t, &out, Plain, tree)
		again, _, err := ReadSnapshot("again", &out)
		if err != nil || describe(again) != describe(tree) {
			t.Errorf("written and read again: %v", err)
		}
	})
}

// FuzzLog: no input panics, and transactions can be replayed onto any tree.
func FuzzLog(f *testing.F) {
	names, err := filepath.Glob("testdata/*/version-2/log.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewLogReader("log.1", bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		tree := newTree()
		tree.put("", &Node{})
		within(t, Plain, len(b), func() {
			for {
				x, err := r.Next()
				if x == nil || err != nil {
					return
				}
				tree.apply(x)
			}
		})
	})
}

// FuzzTxn: no payload panics, whatever its checksum would be.
func FuzzTxn(f *testing.F) {
	for _, name := range []string{"testdata/plain/version-2/log.1"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for at := headerSize + recordHead; at < len(b); at += 97 {
			f.Add(b[at:])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := decodeTxn(b)
		if err != nil {
			return
		}
		tree := newTree()
		tree.put("", &Node{})
		tree.apply(x)
		tree.endOrphans()
		_ = tree.check(true)
	})
}
