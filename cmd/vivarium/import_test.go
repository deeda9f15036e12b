package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/client"
	"github.com/vivariumdb/vivarium/internal/zkdata"
)

// TestImportExport is the proof of import and export: a real ZooKeeper works under load and is
// killed; what a second one makes of its files, what we make of them, and what a third one makes
// of our export is the same, znode by znode. IMPORT_ZNODES says how large it is: so many writes
// are answered, twice over (2000).
func TestImportExport(t *testing.T) {
	for _, pack := range []zkdata.Compression{zkdata.Plain, zkdata.Gzip, zkdata.Snappy} {
		t.Run("pack="+string(pack), func(t *testing.T) { importExport(t, pack) })
	}
}

func importExport(t *testing.T, pack zkdata.Compression) {
	classpath(t)
	znodes := 2000
	if text := os.Getenv("IMPORT_ZNODES"); text != "" {
		var err error
		if znodes, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	copied, addr, work := killedUnderLoad(t, pack, znodes)
	into := filepath.Join(t.TempDir(), "vivarium")
	var summary importSummary
	tool(t, &summary, "import", "--from", copied, "--to", into)
	t.Logf("%v; %d changes repeated", summary, summary.Repeated)

	second := startZooKeeper(t, copied, freeAddress(t))
	c := dial(t, second.addr)
	want := dump(t, c)
	number := func(c *client.Client) string {
		path, err := c.Create(t.Context(), "/seq/n-", nil, client.PersistentSequential, nil)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	wantNext := number(c)
	second.kill()
	t.Logf("%d znodes to compare", len(want))

	us := startOurs(t, into, addr)
	c = dial(t, addr)
	if diff := cmp.Diff(want, dump(t, c)); diff != "" {
		t.Fatalf("znodes (-ZooKeeper +ours):\n%.4000s", diff)
	}
	if got := number(c); got != wantNext {
		t.Errorf("the next sequential znode is %s, with ZooKeeper it is %s", got, wantNext)
	}
	work.goOn(t)
	want = dump(t, c)
	if err := us.stop(); err != nil {
		t.Fatal(err)
	}
	before, _, err := zkdata.Load(zkdata.Source{DataDir: copied})
	if err != nil {
		t.Fatal(err)
	}

	exported := filepath.Join(t.TempDir(), "exported")
	var sum exportSummary
	tool(t, &sum, "export", "--from", into, "--to", exported, "--compress", string(pack))
	t.Logf("%+v", sum)
	after, report, err := zkdata.Load(zkdata.Source{DataDir: exported})
	if err != nil || report.Digest != zkdata.DigestSame {
		t.Fatalf("load what was exported: %v, digest %v", err, report)
	}
	compareOwners(t, before, after)
	third := startZooKeeper(t, exported, freeAddress(t))
	c = dial(t, third.addr)
	if diff := cmp.Diff(want, dump(t, c)); diff != "" {
		t.Fatalf("znodes (-ours +ZooKeeper of the export):\n%.4000s", diff)
	}
	if text := third.out.String(); bytes.Contains([]byte(text), []byte("igest")) &&
		bytes.Contains([]byte(text), []byte("not match")) {
		t.Errorf("ZooKeeper complains of the digest")
	}
}

// killedUnderLoad returns the data directory of a ZooKeeper that was killed while it worked, the
// address that it had, and what kept it busy.
func killedUnderLoad(t *testing.T, pack zkdata.Compression, znodes int) (string, string,
	*workload) {
	dir, addr := t.TempDir(), freeAddress(t)
	z := startZooKeeper(t, dir, addr, fmt.Sprintf("-Dzookeeper.snapCount=%d", znodes/3),
		"-Dzookeeper.snapshot.compression.method="+string(pack))
	work := newWorkload(t, addr)
	work.run(t, znodes, z.kill)
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return copied, addr, work
}

// compareOwners compares what the protocol does not show: times to live and containers.
func compareOwners(t *testing.T, before, after *zkdata.Tree) {
	t.Helper()
	owners := make(map[string]int64)
	_ = before.Walk(func(path string, n *zkdata.Node) error {
		owners[path] = n.Stat.Owner
		return nil
	})
	extended := 0
	_ = after.Walk(func(path string, n *zkdata.Node) error {
		owner, known := owners[path]
		if known && owner != n.Stat.Owner {
			t.Errorf("%s: owner %#x, was %#x", path, n.Stat.Owner, owner)
		}
		if known && owner < 0 {
			extended++
		}
		return nil
	})
	if extended == 0 {
		t.Error("no container and no TTL znode was compared")
	}
}

// tool runs a command of vivarium and decodes its summary.
func tool(t *testing.T, summary any, args ...string) {
	t.Helper()
	root := newRoot()
	var out, talk bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&talk)
	root.SetArgs(append(args, "-o", "json"))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("vivarium %v: %v\n%s", args, err, talk.String())
	}
	if err := json.Unmarshal(out.Bytes(), summary); err != nil {
		t.Fatalf("vivarium %v printed %q: %v", args, out.String(), err)
	}
}

// workload keeps a server busy with all kinds of writes.
type workload struct {
	addr    string
	killed  atomic.Bool
	clients []*client.Client
	ids     []int64
	dirs    int
	done    atomic.Int64 // writes answered
}

func newWorkload(t *testing.T, addr string) *workload {
	w := &workload{addr: addr}
	for range 6 {
		c := dial(t, addr)
		w.clients = append(w.clients, c)
		w.ids = append(w.ids, c.SessionID())
	}
	c := w.clients[0]
	digest := []client.ACL{{Perms: client.PermAll, ID: client.ID{Scheme: "digest",
		ID: "bob:pQ2dHRk6zZo5hWJRtVkFoC3qYLU="}},
		{Perms: client.PermRead, ID: client.ID{Scheme: "world", ID: "anyone"}}}
	for _, path := range []string{"/seq", "/w", "/box", "/quota", "/locked",
		"/zookeeper/quota/quota"} {
		if _, err := c.Create(t.Context(), path, []byte(path), client.Persistent, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.SetACL(t.Context(), "/locked", digest, -1); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		"zookeeper_limits": "count=5,bytes=-1=;byteHardLimit=9000000",
		"zookeeper_stats":  "count=1,bytes=6"} {
		_, err := c.Create(t.Context(), "/zookeeper/quota/quota/"+path, []byte(text),
			client.Persistent, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// run writes until so many znodes were asked for, and kills the server in the midst of it.
func (w *workload) run(t *testing.T, znodes int, kill func()) {
	w.dirs = max(20, znodes/400)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	full := make(chan struct{})
	once := sync.OnceFunc(func() { close(full) })
	for i, c := range w.clients {
		for lane := range 4 {
			all.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), uint64(lane)))
				for ctx.Err() == nil {
					err := w.write(ctx, c, r, fmt.Sprintf("%d-%d", i, lane))
					if errors.Is(err, client.ErrConnectionLoss) || ctx.Err() != nil {
						return
					}
					if w.done.Add(1) == int64(2*znodes) {
						once()
					}
				}
			})
		}
	}
	all.Go(func() { w.visitors(ctx) })
	select {
	case <-full:
	case <-time.After(5 * patience):
		t.Fatalf("only %d writes", w.done.Load())
	}
	w.killed.Store(true)
	kill()
	cancel()
	all.Wait()
}

// visitors are sessions that come, own something, and go. None comes back once the server is to
// be killed: its end would change the tree of the next one.
func (w *workload) visitors(ctx context.Context) {
	options := client.Options{Servers: w.addr, SessionTimeout: patience,
		DialServer: func(ctx context.Context, server string) (net.Conn, error) {
			if w.killed.Load() {
				return nil, errors.New("killed")
			}
			return (&net.Dialer{}).DialContext(ctx, "tcp", server)
		}}
	for n := 0; ctx.Err() == nil; n++ {
		c, err := client.Dial(ctx, options)
		if err != nil {
			return
		}
		for i := range 5 {
			_, _ = c.Create(ctx, fmt.Sprintf("/w/visitor-%d-%d", n, i), nil, client.Ephemeral, nil)
		}
		gone := make(chan struct{})
		go func() { _ = c.Close(); close(gone) }()
		select {
		case <-gone:
		case <-ctx.Done():
		}
	}
}

// write makes one write, which may well fail.
func (w *workload) write(ctx context.Context, c *client.Client, r *rand.Rand, lane string) error {
	dir := fmt.Sprintf("/w/%s-%d", lane, r.IntN(w.dirs))
	leaf := fmt.Sprintf("%s/%d", dir, r.IntN(40))
	data := bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(300))
	var err error
	switch r.IntN(20) {
	case 0:
		_, err = c.Create(ctx, dir, nil, client.Persistent, nil)
	case 1, 2, 3, 4:
		_, err = c.Create(ctx, leaf, data, client.Persistent, nil)
	case 5, 6:
		_, err = c.Create(ctx, "/seq/n-", data, client.PersistentSequential, nil)
	case 7:
		_, err = c.Create(ctx, dir+"/e-", nil, client.EphemeralSequential, nil)
	case 8:
		_, _, err = c.CreateTTL(ctx, leaf+"t", data, time.Duration(1+r.Int64N(1e6))*time.Hour,
			false, nil)
	case 9:
		_, _, err = c.CreateContainer(ctx, "/box/"+lane+strconv.Itoa(r.IntN(50)), data, nil)
	case 10:
		_, _, err = c.Create2(ctx, "/box/"+lane+strconv.Itoa(r.IntN(50))+"/in", data,
			client.Persistent, nil)
	case 11, 12, 13:
		_, err = c.Set(ctx, leaf, data, -1)
	case 14, 15:
		err = c.Delete(ctx, leaf, -1)
	case 16:
		_, err = c.SetACL(ctx, leaf, []client.ACL{{Perms: client.PermRead,
			ID: client.ID{Scheme: "ip", ID: fmt.Sprintf("10.0.%d.0/24", r.IntN(5))}}}, -1)
	case 17:
		_, err = c.Create(ctx, fmt.Sprintf("/quota/%s-%d", lane, r.IntN(30)), data,
			client.Persistent, nil)
	case 18:
		_, err = c.Multi(ctx, client.CreateOp(leaf+"m", data, client.Persistent, nil),
			client.SetOp("/seq", data, -1), client.DeleteOp(leaf+"m", -1),
			client.CreateOp(leaf+"m", nil, client.Ephemeral, nil))
	case 19:
		_, err = c.Multi(ctx, client.CreateOp(leaf+"f", data, client.Persistent, nil),
			client.CheckOp(dir, 77))
	}
	return err
}

// goOn sees the clients find their sessions again, and lets them go on with them.
func (w *workload) goOn(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	owned := 0
	for i, c := range w.clients {
		paths, err := c.GetEphemerals(ctx, "/")
		if err != nil || c.SessionID() != w.ids[i] {
			t.Fatalf("session %#x, was %#x: %v", c.SessionID(), w.ids[i], err)
		}
		owned += len(paths)
		_, err = c.Create(ctx, fmt.Sprintf("/after-%d", i), nil, client.Ephemeral, nil)
		if err != nil {
			t.Fatalf("session %#x goes on: %v", c.SessionID(), err)
		}
	}
	if owned == 0 {
		t.Error("no session found an ephemeral of its own")
	}
	t.Logf("%d sessions found %d ephemerals again", len(w.clients), owned)
}
