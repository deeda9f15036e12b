package zkdata

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/wire"
)

// kept are the data directories in testdata; testdata/README.md says how they came to be.
var kept = []string{"plain", "gz", "snappy"}

// describe puts every znode into a line as a client sees it.
func describe(t *Tree) string {
	kids := make(map[string]int)
	var paths []string
	_ = t.Walk(func(path string, _ *Node) error {
		paths = append(paths, path)
		if path != "/" {
			dir, _ := cut(path)
			kids[dir]++
		}
		return nil
	})
	slices.SortFunc(paths, cmp.Compare)
	var b strings.Builder
	for _, path := range paths {
		n := t.nodes[key(path)]
		st := n.Stat
		owner := uint64(0)
		if st.ephemeral() {
			owner = uint64(st.Owner)
		}
		data := "null"
		if n.Data != nil {
			data = fmt.Sprintf("%d bytes %.4x", len(n.Data), sha256.Sum256(n.Data))
		}
		count := kids[key(path)]
		fmt.Fprintf(&b, "%q c=%#x m=%#x p=%#x ct=%d mt=%d v=%d cv=%d av=%d owner=%#x "+
			"kids=%d %s %v\n",
			path, st.Czxid, st.Mzxid, st.Pzxid, st.Ctime, st.Mtime, st.Version,
			2*st.Created-int32(count), st.Aversion, owner, count, data, n.ACL)
	}
	return b.String()
}

// TestGolden loads what real servers left and compares it with what real servers made of it. The
// statistics of quotas are left out: the real server counts them anew, and so does import.
func TestGolden(t *testing.T) {
	for _, name := range kept {
		t.Run(name, func(t *testing.T) {
			tree, report, err := Load(Source{DataDir: filepath.Join("testdata", name)})
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			diff := gocmp.Diff(withoutStats(string(want)), withoutStats(describe(tree)))
			if diff != "" {
				t.Errorf("znodes (-ZooKeeper +Load):\n%s", diff)
			}
			if report.Digest == DigestDifferent {
				t.Errorf("digest: %v", report.Digest)
			}
			if compressionOf(report.Snapshot) == Plain && name != "plain" {
				t.Errorf("%s was read", report.Snapshot)
			}
			t.Logf("%+v, %d sessions", *report, len(tree.Sessions()))
		})
	}
}

func withoutStats(text string) []string {
	return slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool {
		return strings.Contains(line, "zookeeper_stats")
	})
}

// TestWrite writes what was loaded and reads it again, packed in each way.
func TestWrite(t *testing.T) {
	tree, _, err := Load(Source{DataDir: "testdata/plain"})
	if err != nil {
		t.Fatal(err)
	}
	for _, pack := range []Compression{Plain, Gzip, Snappy} {
		var out bytes.Buffer
		writeTree(t, &out, pack, tree)
		name := SnapshotName(tree.Zxid, pack)
		again, info, err := ReadSnapshot(name, &out)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := gocmp.Diff(describe(tree), describe(again)); diff != "" {
			t.Errorf("%s: znodes (-written +read):\n%s", name, diff)
		}
		if diff := gocmp.Diff(tree.Sessions(), again.Sessions()); diff != "" {
			t.Errorf("%s: sessions (-written +read):\n%s", name, diff)
		}
		want := SnapshotInfo{DigestZxid: tree.Zxid, Digest: tree.Digest(), HasDigest: true,
			LastZxid: tree.Zxid, HasLastZxid: true}
		if info != want {
			t.Errorf("%s: %+v, want %+v", name, info, want)
		}
	}
}

func writeTree(t *testing.T, out *bytes.Buffer, pack Compression, tree *Tree) {
	t.Helper()
	var lists [][]wire.ACL
	_ = tree.Walk(func(_ string, n *Node) error {
		lists = append(lists, n.ACL)
		return nil
	})
	w := NewSnapshotWriter(out, pack, tree.Sessions(), lists)
	_ = tree.Walk(func(path string, n *Node) error {
		w.Node(path, n)
		return nil
	})
	if err := w.Finish(tree.Zxid); err != nil {
		t.Fatal(err)
	}
}

// TestEverySnapshot begins with each snapshot in turn: the logs behind it lead to the same tree.
func TestEverySnapshot(t *testing.T) {
	for _, name := range kept {
		dir := copyOf(t, filepath.Join("testdata", name))
		want, full := load(t, dir)
		files, err := list(dir, "snapshot.")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range slices.Backward(files) {
			tree, report := load(t, dir)
			diff := gocmp.Diff(withoutStats(describe(want)), withoutStats(describe(tree)))
			if diff != "" {
				t.Errorf("%s from %s (-newest +this):\n%s", name, report.Snapshot, diff)
			}
			if report.Digest != full.Digest {
				t.Errorf("%s from %s: digest %v, from the newest %v", name, report.Snapshot,
					report.Digest, full.Digest)
			}
			if f.zxid > 0 {
				remove(t, f.path)
			}
		}
	}
}

// TestForeseenDigests replays from the first, empty snapshot and compares the tree's digest
// behind every transaction with the one that the real server wrote into it.
func TestForeseenDigests(t *testing.T) {
	same, different := 0, 0
	for _, name := range kept {
		dir := filepath.Join("testdata", name)
		first, err := filepath.Glob(filepath.Join(dir, "version-2", "snapshot.0*"))
		if err != nil || len(first) != 1 {
			t.Fatal(first, err)
		}
		tree, _, err := readSnapshotFile(first[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range transactions(t, dir) {
			tree.apply(x)
			switch {
			case !x.HasDigest:
			case tree.Digest() == x.Digest:
				same++
			default:
				different++
			}
		}
	}
	// The real server foresees wrong ones while a container or TTL znode is on its way.
	if t.Logf("%d digests are the same, %d are not", same, different); same < 10*different+100 {
		t.Error("the digests differ more often than the real server's own")
	}
}

// transactions reads all logs of a directory.
func transactions(t *testing.T, dir string) []*Txn {
	t.Helper()
	files, err := list(dir, "log.")
	if err != nil {
		t.Fatal(err)
	}
	var all []*Txn
	for _, f := range files {
		b, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := NewLogReader(f.path, bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		for {
			x, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if x == nil {
				break
			}
			all = append(all, x)
		}
	}
	return all
}

func load(t *testing.T, dir string) (*Tree, *Report) {
	t.Helper()
	tree, report, err := Load(Source{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return tree, report
}

// copyOf returns a copy that a test may damage.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
