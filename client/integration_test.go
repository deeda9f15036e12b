package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vivariumdb/vivarium/client"
)

// The suite runs against the fake, and against real servers if one of these is set:
//
//	VIVARIUM_TEST_SERVERS=127.0.0.1:2181     a connect string; everything below /suite is removed
//	ZOOKEEPER_TEST_CLASSPATH=/some/lib/*     ZooKeeper's jars; java is started with them
func TestSuite(t *testing.T) {
	t.Run("fake", func(t *testing.T) {
		f := newFake()
		address, stop, err := f.listen()
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		suite(t, address)
	})
	t.Run("servers", func(t *testing.T) {
		servers := os.Getenv("VIVARIUM_TEST_SERVERS")
		if servers == "" {
			t.Skip("VIVARIUM_TEST_SERVERS is not set")
		}
		suite(t, servers)
	})
	t.Run("zookeeper", func(t *testing.T) {
		classpath := os.Getenv("ZOOKEEPER_TEST_CLASSPATH")
		if classpath == "" {
			t.Skip("ZOOKEEPER_TEST_CLASSPATH is not set")
		}
		suite(t, startZooKeeper(t, classpath))
	})
}

// startZooKeeper starts a server in a directory of its own and returns its address.
func startZooKeeper(t *testing.T, classpath string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().(*net.TCPAddr)
	listener.Close()
	dir := t.TempDir()
	cfg := fmt.Sprintf("tickTime=500\ndataDir=%s\nclientPort=%d\nclientPortAddress=127.0.0.1\n"+
		"admin.enableServer=false\nextendedTypesEnabled=true\n", dir, address.Port)
	file := filepath.Join(dir, "zoo.cfg")
	if err := os.WriteFile(file, []byte(cfg), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.Command("java", "-cp", classpath, "-Dzookeeper.extendedTypesEnabled=true",
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", file)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("ZooKeeper said:\n%s", out.Bytes())
		}
	})
	return address.String()
}

// suiteCases are conversations that every server must lead in the same way.
var suiteCases = []struct {
	name string
	run  func(t *testing.T, c *client.Client, servers string)
}{
	{"nodes", suiteNodes},
	{"outcomes", suiteOutcomes},
	{"kinds", suiteKinds},
	{"acl", suiteACL},
	{"multi", suiteMulti},
	{"one-shot watches", suiteOneShot},
	{"persistent watches", suitePersistent},
	{"removal of watches", suiteRemoval},
	{"chroot", suiteChroot},
	{"no path", suiteNoPath},
	{"deletion of a root", suiteDeleteRoot},
	{"ephemerals", suiteEphemerals},
}

// suite runs the cases, each with a client whose root is a node of its own.
func suite(t *testing.T, servers string) {
	ctx := t.Context()
	root := dial(t, client.Options{Servers: servers})
	create(t, root, "/suite")
	for i, test := range suiteCases {
		create(t, root, fmt.Sprintf("/suite/%d", i))
		t.Run(test.name, func(t *testing.T) {
			below := fmt.Sprintf("%s/suite/%d", servers, i)
			test.run(t, dial(t, client.Options{Servers: below}), below)
		})
	}
	remove(ctx, t, root, "/suite")
}

// dial returns a client that the test closes.
func dial(t *testing.T, opts client.Options) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := client.Dial(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func create(t *testing.T, c *client.Client, path string) {
	t.Helper()
	got, err := c.Create(t.Context(), path, []byte("of "+path), client.Persistent, nil)
	if err != nil || got != path {
		t.Fatalf("Create(%s) = %q, %v", path, got, err)
	}
}

// remove removes a node and all below it.
func remove(ctx context.Context, t *testing.T, c *client.Client, path string) {
	t.Helper()
	names, _, err := c.Children(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		remove(ctx, t, c, path+"/"+name)
	}
	if err := c.Delete(ctx, path, client.AnyVersion); err != nil {
		t.Fatal(err)
	}
}

func suiteNodes(t *testing.T, c *client.Client, _ string) {
	ctx := t.Context()
	create(t, c, "/a")
	for _, name := range []string{"c", "b", "d"} {
		create(t, c, "/a/"+name)
	}
	data, stat, err := c.Get(ctx, "/a")
	if err != nil || string(data) != "of /a" || stat.NumChildren != 3 || stat.Version != 0 {
		t.Errorf("Get = %q, %+v, %v", data, stat, err)
	}
	names, _, err := c.Children(ctx, "/a")
	if diff := cmp.Diff([]string{"b", "c", "d"}, names); err != nil || diff != "" {
		t.Errorf("Children: %v (-want +got):\n%s", err, diff)
	}
	if n, err := c.AllChildrenNumber(ctx, "/a"); err != nil || n != 3 {
		t.Errorf("AllChildrenNumber = %d, %v, want 3", n, err)
	}
	stat, err = c.Set(ctx, "/a", nil, 0)
	if err != nil || stat.Version != 1 {
		t.Errorf("Set = %+v, %v, want version 1", stat, err)
	}
	if err := c.Sync(ctx, "/a"); err != nil {
		t.Errorf("Sync: %v", err)
	}
	if _, exists, err := c.Exists(ctx, "/a/x"); exists || err != nil {
		t.Errorf("Exists of nothing = %v, %v", exists, err)
	}
	if stat, exists, err := c.Exists(ctx, "/a"); !exists || err != nil || stat.Version != 1 {
		t.Errorf("Exists = %+v, %v, %v", stat, exists, err)
	}
	if err := c.Delete(ctx, "/a/b", 0); err != nil {
		t.Errorf("Delete: %v", err)
	}
}

func suiteOutcomes(t *testing.T, c *client.Client, _ string) {
	ctx := t.Context()
	create(t, c, "/a")
	create(t, c, "/a/b")
	if _, err := c.Create(ctx, "/e", nil, client.Ephemeral, nil); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		call func() error
		want error
		text string
	}{
		{"create again", func() error {
			_, err := c.Create(ctx, "/a", nil, client.Persistent, nil)
			return err
		}, client.ErrNodeExists, "create /a: node exists already"},
		{"create below nothing", func() error {
			_, _, err := c.Create2(ctx, "/x/y", nil, client.Persistent, nil)
			return err
		}, client.ErrNoNode, "create2 /x/y: node does not exist"},
		{"create below an ephemeral", func() error {
			_, err := c.Create(ctx, "/e/y", nil, client.Persistent, nil)
			return err
		}, client.ErrNoChildrenForEphemerals, ""},
		{"create for nobody", func() error {
			_, err := c.Create(ctx, "/y", nil, client.Persistent, []client.ACL{})
			return err
		}, client.ErrInvalidACL, ""},
		{"a path that is none", func() error {
			_, err := c.Create(ctx, "y", nil, client.Persistent, nil)
			return err
		}, client.ErrBadArguments, "create y: path or argument is not valid"},
		{"get nothing", func() error { _, _, err := c.Get(ctx, "/x"); return err },
			client.ErrNoNode, "getData /x: node does not exist"},
		{"set nothing", func() error { _, err := c.Set(ctx, "/x", nil, -1); return err },
			client.ErrNoNode, ""},
		{"set another version", func() error { _, err := c.Set(ctx, "/a", nil, 7); return err },
			client.ErrBadVersion, "setData /a: node has another version"},
		{"delete another version", func() error { return c.Delete(ctx, "/a/b", 7) },
			client.ErrBadVersion, ""},
		{"delete with children", func() error { return c.Delete(ctx, "/a", -1) },
			client.ErrNotEmpty, ""},
		{"remove no watch", func() error {
			return c.RemoveWatches(ctx, "/a", client.AllWatches)
		}, client.ErrNoWatcher, ""},
	} {
		err := test.call()
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
		if test.text != "" && err.Error() != test.text {
			t.Errorf("%s: %q, want %q", test.name, err, test.text)
		}
	}
}

func suiteKinds(t *testing.T, c *client.Client, _ string) {
	ctx := t.Context()
	for i, want := range []string{"/s-0000000000", "/s-0000000001"} {
		got, err := c.Create(ctx, "/s-", nil, client.PersistentSequential, nil)
		if err != nil || got != want {
			t.Errorf("sequential znode %d is %q, %v, want %q", i, got, err, want)
		}
	}
	got, stat, err := c.Create2(ctx, "/e-", nil, client.EphemeralSequential, nil)
	if err != nil || got != "/e-0000000002" || stat.EphemeralOwner != c.SessionID() {
		t.Errorf("Create2 = %q, owner %x, %v, want owner %x", got, stat.EphemeralOwner, err,
			c.SessionID())
	}
	if got, _, err := c.CreateContainer(ctx, "/c", nil, nil); err != nil || got != "/c" {
		t.Errorf("CreateContainer = %q, %v", got, err)
	}
	if got, _, err := c.CreateTTL(ctx, "/t-", nil, time.Hour, true, nil); err != nil ||
		got != "/t-0000000004" {
		t.Errorf("CreateTTL = %q, %v", got, err)
	}
	paths, err := c.GetEphemerals(ctx, "/")
	if diff := cmp.Diff([]string{"/e-0000000002"}, paths); err != nil || diff != "" {
		t.Errorf("GetEphemerals: %v (-want +got):\n%s", err, diff)
	}
	if paths, err := c.GetEphemerals(ctx, "/f"); err != nil || len(paths) > 0 {
		t.Errorf("GetEphemerals of another prefix = %q, %v", paths, err)
	}
}

func suiteACL(t *testing.T, c *client.Client, servers string) {
	ctx := t.Context()
	create(t, c, "/a")
	if err := c.AddAuth(ctx, "digest", []byte("user:secret")); err != nil {
		t.Fatal(err)
	}
	ids, err := c.WhoAmI(ctx)
	want := []client.ID{{Scheme: "ip", ID: "127.0.0.1"}, {Scheme: "digest", ID: "user"}}
	if diff := cmp.Diff(want, ids); err != nil || diff != "" {
		t.Errorf("WhoAmI: %v (-want +got):\n%s", err, diff)
	}
	acl := []client.ACL{{Perms: client.PermRead | client.PermAdmin,
		ID: client.ID{Scheme: "world", ID: "anyone"}}}
	stat, err := c.SetACL(ctx, "/a", acl, 0)
	if err != nil || stat.Aversion != 1 {
		t.Errorf("SetACL = %+v, %v", stat, err)
	}
	got, stat, err := c.GetACL(ctx, "/a")
	if diff := cmp.Diff(acl, got); err != nil || diff != "" || stat.Aversion != 1 {
		t.Errorf("GetACL: %+v, %v (-want +got):\n%s", stat, err, diff)
	}
	other, err := client.Dial(ctx, client.Options{Servers: servers,
		Auth: []client.Auth{{Scheme: "no-such-scheme", Auth: []byte("x")}}})
	if err == nil {
		// The refusal may come after the session.
		<-other.Done()
		err = other.Err()
		other.Close()
	}
	if !errors.Is(err, client.ErrAuthFailed) {
		t.Errorf("Dial with credentials of no scheme: %v, want %v", err, client.ErrAuthFailed)
	}
}

func suiteMulti(t *testing.T, c *client.Client, _ string) {
	ctx := t.Context()
	results, err := c.Multi(ctx,
		client.CreateOp("/a", []byte("1"), client.Persistent, nil),
		client.SetOp("/a", []byte("2"), 0),
		client.CheckOp("/a", 1),
		client.CreateOp("/b", nil, client.Persistent, nil),
		client.DeleteOp("/b", client.AnyVersion))
	if err != nil || len(results) != 5 || results[0].Path != "/a" {
		t.Errorf("Multi = %+v, %v", results, err)
	}
	results, err = c.Multi(ctx,
		client.CheckOp("/a", 9),
		client.SetOp("/a", []byte("3"), client.AnyVersion))
	if !errors.Is(err, client.ErrBadVersion) ||
		err.Error() != "multi /a: node has another version" {
		t.Errorf("failing Multi: %v", err)
	}
	if len(results) != 2 || results[0].Err != client.ErrBadVersion ||
		results[1].Err != client.ErrRolledBack {
		t.Errorf("results of a failing Multi: %+v", results)
	}
	results, err = c.MultiRead(ctx, client.GetOp("/a"), client.GetOp("/x"),
		client.ChildrenOp("/"))
	if err != nil || len(results) != 3 || string(results[0].Data) != "2" ||
		results[1].Err != client.ErrNoNode || cmp.Diff([]string{"a"}, results[2].Children) != "" {
		t.Errorf("MultiRead = %+v, %v", results, err)
	}
	_, err = c.MultiRead(ctx, client.CheckOp("/a", 1))
	if !errors.Is(err, client.ErrBadArguments) {
		t.Errorf("MultiRead of a check: %v, want %v", err, client.ErrBadArguments)
	}
}

// next returns the next event of a watch, "" if it has ended.
func next(t *testing.T, w *client.Watch) string {
	t.Helper()
	select {
	case e, ok := <-w.Events:
		if !ok {
			return ""
		}
		return fmt.Sprint(e.Type, " ", e.Path)
	case <-time.After(time.Minute):
		t.Fatal("no event")
		return ""
	}
}

func wantEvents(t *testing.T, what string, w *client.Watch, want ...string) {
	t.Helper()
	for _, event := range want {
		if got := next(t, w); got != event {
			t.Errorf("%s: event %q, want %q", what, got, event)
		}
	}
}

func suiteOneShot(t *testing.T, c *client.Client, _ string) {
	ctx := t.Context()
	_, exists, absent, err := c.ExistsW(ctx, "/a")
	if exists || err != nil {
		t.Fatal(exists, err)
	}
	create(t, c, "/a")
	wantEvents(t, "exists of nothing", absent, "NodeCreated /a", "")
	if err := absent.Err(); err != nil {
		t.Errorf("a watch that fired ends with %v", err)
	}
	_, _, present, err := c.ExistsW(ctx, "/a")
	if err != nil {
		t.Fatal(err)
	}
	data, _, changed, err := c.GetW(ctx, "/a")
	if string(data) != "of /a" || err != nil {
		t.Fatal(data, err)
	}
	_, _, children, err := c.ChildrenW(ctx, "/a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Set(ctx, "/a", nil, 0); err != nil {
		t.Fatal(err)
	}
	create(t, c, "/a/b")
	wantEvents(t, "exists", present, "NodeDataChanged /a", "")
	wantEvents(t, "get", changed, "NodeDataChanged /a", "")
	wantEvents(t, "children", children, "NodeChildrenChanged /a", "")
	if _, _, w, err := c.GetW(ctx, "/x"); w != nil || !errors.Is(err, client.ErrNoNode) {
		t.Errorf("GetW of nothing = %v, %v", w, err)
	}
}

func suitePersistent(t *testing.T, c *client.Client, _ string) {
	ctx := t.Context()
	node, err := c.AddWatch(ctx, "/a", client.WatchNode)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := c.AddWatch(ctx, "/", client.WatchTree)
	if err != nil {
		t.Fatal(err)
	}
	create(t, c, "/a")
	create(t, c, "/a/b")
	if _, err := c.Set(ctx, "/a", nil, 0); err != nil {
		t.Fatal(err)
	}
	remove(ctx, t, c, "/a")
	wantEvents(t, "node", node, "NodeCreated /a", "NodeChildrenChanged /a", "NodeDataChanged /a",
		"NodeChildrenChanged /a", "NodeDeleted /a")
	wantEvents(t, "tree", tree, "NodeCreated /a", "NodeCreated /a/b", "NodeDataChanged /a",
		"NodeDeleted /a/b", "NodeDeleted /a")
	node.Close()
	tree.Close()
	tree.Close()
	create(t, c, "/a")
	wantEvents(t, "closed", node, "")
	wantEvents(t, "closed", tree, "")
}

func suiteRemoval(t *testing.T, c *client.Client, _ string) {
	ctx := t.Context()
	create(t, c, "/a")
	_, _, data, err := c.GetW(ctx, "/a")
	if err != nil {
		t.Fatal(err)
	}
	_, _, other, err := c.GetW(ctx, "/a")
	if err != nil {
		t.Fatal(err)
	}
	other.Close() // must leave the first one alone
	tree, err := c.AddWatch(ctx, "/a", client.WatchTree)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.RemoveWatches(ctx, "/a", client.DataWatches); err != nil {
		t.Fatal(err)
	}
	if e := <-data.Events; e.Type != client.DataWatchRemoved || e.Path != "/a" || e.Zxid != 0 {
		t.Errorf("data: event %+v, want the removal, which is no change", e)
	}
	wantEvents(t, "data", data, "")
	if err := c.RemoveWatches(ctx, "/a", client.TreeWatches); err != nil {
		t.Fatal(err)
	}
	wantEvents(t, "tree", tree, "PersistentWatchRemoved /a", "")
}

func suiteChroot(t *testing.T, c *client.Client, servers string) {
	ctx := t.Context()
	create(t, c, "/app")
	create(t, c, "/apple")
	app := dial(t, client.Options{Servers: servers + "/app"})
	tree, err := app.AddWatch(ctx, "/", client.WatchTree)
	if err != nil {
		t.Fatal(err)
	}
	got, err := app.Create(ctx, "/a-", nil, client.EphemeralSequential, nil)
	if err != nil || got != "/a-0000000000" {
		t.Errorf("Create = %q, %v", got, err)
	}
	if _, err := app.Set(ctx, "/", []byte("root"), 0); err != nil {
		t.Error(err)
	}
	wantEvents(t, "tree", tree, "NodeCreated /a-0000000000", "NodeDataChanged /")
	if data, _, err := c.Get(ctx, "/app"); string(data) != "root" || err != nil {
		t.Errorf("Get = %q, %v", data, err)
	}
	paths, err := app.GetEphemerals(ctx, "/")
	if diff := cmp.Diff([]string{"/a-0000000000"}, paths); err != nil || diff != "" {
		t.Errorf("GetEphemerals: %v (-want +got):\n%s", err, diff)
	}
	suiteNamelessBelow(t, c, app)
}

// suiteNamelessBelow creates sequential znodes whose names are but their numbers at the root of
// app: without the slash they would become siblings of that root.
func suiteNamelessBelow(t *testing.T, c, app *client.Client) {
	ctx := t.Context()
	created := func(what string, got string, err error, want string) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("%s of a sequential / = %q, %v, want %q", what, got, err, want)
		}
	}
	got, err := app.Create(ctx, "/", nil, client.PersistentSequential, nil)
	created("Create", got, err, "/0000000001")
	got, _, err = app.Create2(ctx, "/", nil, client.EphemeralSequential, nil)
	created("Create2", got, err, "/0000000002")
	got, _, err = app.CreateTTL(ctx, "/", nil, time.Hour, true, nil)
	created("CreateTTL", got, err, "/0000000003")
	results, err := app.Multi(ctx, client.CreateOp("/", nil, client.PersistentSequential, nil))
	if len(results) != 1 {
		t.Fatalf("Multi = %+v, %v", results, err)
	}
	created("Multi", results[0].Path, err, "/0000000004")
	if got, err := app.Create(ctx, "", nil, client.EphemeralSequential, nil); err == nil {
		t.Errorf("Create of a sequential znode without a path = %q", got)
	}
	names, _, err := c.Children(ctx, "/")
	if diff := cmp.Diff([]string{"app", "apple"}, names); err != nil || diff != "" {
		t.Errorf("beside the root of the other client: %v (-want +got):\n%s", err, diff)
	}
}

// suiteNoPath names no path: with a chroot that is not the chroot.
func suiteNoPath(t *testing.T, c *client.Client, _ string) {
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"Delete":    func() error { return c.Delete(ctx, "", client.AnyVersion) },
		"Exists":    func() error { _, _, err := c.Exists(ctx, ""); return err },
		"ExistsW":   func() error { _, _, _, err := c.ExistsW(ctx, ""); return err },
		"Get":       func() error { _, _, err := c.Get(ctx, ""); return err },
		"Set":       func() error { _, err := c.Set(ctx, "", nil, client.AnyVersion); return err },
		"Children":  func() error { _, _, err := c.Children(ctx, ""); return err },
		"ChildrenW": func() error { _, _, _, err := c.ChildrenW(ctx, ""); return err },
		"AllChildrenNumber": func() error {
			_, err := c.AllChildrenNumber(ctx, "")
			return err
		},
		"GetACL":   func() error { _, _, err := c.GetACL(ctx, ""); return err },
		"SetACL":   func() error { _, err := c.SetACL(ctx, "", nil, 0); return err },
		"Sync":     func() error { return c.Sync(ctx, "") },
		"AddWatch": func() error { _, err := c.AddWatch(ctx, "", client.WatchTree); return err },
		"RemoveWatches": func() error {
			return c.RemoveWatches(ctx, "", client.AllWatches)
		},
		"Multi": func() error { _, err := c.Multi(ctx, client.CheckOp("", 0)); return err },
	} {
		if err := call(); !errors.Is(err, client.ErrBadArguments) {
			t.Errorf("%s without a path = %v, want %v", name, err, client.ErrBadArguments)
		}
	}
	if paths, err := c.GetEphemerals(ctx, ""); len(paths) > 0 || err != nil {
		t.Errorf("GetEphemerals with any prefix = %q, %v, want none", paths, err)
	}
}

// suiteDeleteRoot has a client below another delete its own root.
func suiteDeleteRoot(t *testing.T, c *client.Client, servers string) {
	ctx := t.Context()
	create(t, c, "/app")
	app := dial(t, client.Options{Servers: servers + "/app"})
	if err := app.Delete(ctx, "/", client.AnyVersion); !errors.Is(err, client.ErrBadArguments) {
		t.Errorf("Delete = %v, want %v", err, client.ErrBadArguments)
	}
	_, err := app.Multi(ctx, client.DeleteOp("/", client.AnyVersion))
	if !errors.Is(err, client.ErrBadArguments) {
		t.Errorf("Multi = %v, want %v", err, client.ErrBadArguments)
	}
	if _, exists, err := c.Exists(ctx, "/app"); !exists || err != nil {
		t.Errorf("Exists = %v, %v, want the root of the client that was to delete it", exists, err)
	}
}

func suiteEphemerals(t *testing.T, c *client.Client, servers string) {
	ctx := t.Context()
	other := dial(t, client.Options{Servers: servers})
	if _, err := other.Create(ctx, "/e", nil, client.Ephemeral, nil); err != nil {
		t.Fatal(err)
	}
	_, exists, w, err := c.ExistsW(ctx, "/e")
	if !exists || err != nil {
		t.Fatal(exists, err)
	}
	if err := other.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	wantEvents(t, "ephemeral", w, "NodeDeleted /e", "")
	if _, _, err := other.Get(ctx, "/e"); !errors.Is(err, client.ErrClosed) ||
		!strings.Contains(err.Error(), "client is closed") {
		t.Errorf("Get on a closed client: %v, want %v", err, client.ErrClosed)
	}
	if err := other.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}
