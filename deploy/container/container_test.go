package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/client"
)

// patience is when a test gives up on something that must happen.
const patience = time.Minute

// treeDir is where tree has made the files, "" if no test has asked for them.
var treeDir string

// tree makes the files of the image once for all tests.
var tree = sync.OnceValues(func() (string, error) {
	root, err := projectRoot()
	if err != nil {
		return "", err
	}
	if treeDir, err = os.MkdirTemp("", "vivarium-image"); err != nil {
		return "", err
	}
	return treeDir, makeTree(context.Background(), root, options{tree: treeDir, arch: goarch()})
})

func goarch() string {
	out, err := exec.Command("go", "env", "GOHOSTARCH").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func TestMain(m *testing.M) {
	code := m.Run()
	if treeDir != "" {
		os.RemoveAll(treeDir)
	}
	os.Exit(code)
}

func newImage(t *testing.T) *image {
	t.Helper()
	dir, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	return describedImage(t, dir)
}

// TestOfficialSettings holds the image against what the official one of ZooKeeper 3.9 sets.
func TestOfficialSettings(t *testing.T) {
	img := newImage(t)
	env := []string{"PATH=/bin", "ZOOCFGDIR=/conf", "ZOO_ADMINSERVER_ENABLED=true",
		"ZOO_AUTOPURGE_PURGEINTERVAL=0", "ZOO_AUTOPURGE_SNAPRETAINCOUNT=3", "ZOO_CONF_DIR=/conf",
		"ZOO_DATA_DIR=/data", "ZOO_DATA_LOG_DIR=/datalog", "ZOO_INIT_LIMIT=5",
		"ZOO_LOG_DIR=/logs", "ZOO_MAX_CLIENT_CNXNS=60", "ZOO_STANDALONE_ENABLED=true",
		"ZOO_SYNC_LIMIT=2", "ZOO_TICK_TIME=2000"}
	slices.Sort(img.Env)
	for what, lists := range map[string][2][]string{
		"environment": {env, img.Env}, "volumes": {{"/data", "/datalog", "/logs"}, img.Volumes},
		"ports":      {{"2181", "2888", "3888", "8080"}, img.Ports},
		"entrypoint": {{"/bin/vivarium", "container"}, img.Entrypoint},
		"command":    {{"zkServer.sh", "start-foreground"}, img.Cmd},
		"user":       {{"1000:1000"}, {img.User}},
	} {
		if diff := cmp.Diff(lists[0], lists[1]); diff != "" {
			t.Errorf("%s (-official +ours):\n%s", what, diff)
		}
	}
}

// container is a process that sees the image's files and nothing else, and is number 1.
type container struct {
	cmd  *exec.Cmd
	out  bytes.Buffer
	done chan error
}

// command returns a process in the image. Root enters it as root would with docker; everybody
// else by a user namespace, in which they are the image's user.
func (img *image) command(t *testing.T, asRoot bool, env []string, args ...string) *exec.Cmd {
	t.Helper()
	uid, gid, err := img.ids()
	if err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{Path: args[0], Args: args, Dir: img.WorkingDir,
		Env: append(slices.Clone(img.Env), env...)}
	enter := &syscall.SysProcAttr{Chroot: img.root, Cloneflags: syscall.CLONE_NEWPID,
		Pdeathsig: syscall.SIGKILL}
	switch {
	case os.Getuid() != 0:
		enter.Cloneflags |= syscall.CLONE_NEWUSER
		enter.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getuid(), Size: 1}}
		enter.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: os.Getgid(), Size: 1}}
	case !asRoot:
		enter.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	cmd.SysProcAttr = enter
	return cmd
}

// start runs the image with its own command, or with args.
func (img *image) start(t *testing.T, asRoot bool, env []string, args ...string) *container {
	t.Helper()
	if len(args) == 0 {
		args = img.Cmd
	}
	c := &container{done: make(chan error, 1)}
	c.cmd = img.command(t, asRoot, env, append(slices.Clone(img.Entrypoint), args...)...)
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	if err := c.cmd.Start(); errors.Is(err, syscall.EPERM) {
		t.Skipf("this user may not make containers here: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	go func() { c.done <- c.cmd.Wait() }()
	t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	return c
}

// end waits until the container has ended and returns how, and what it said.
func (c *container) end(t *testing.T) (said string, err error) {
	t.Helper()
	select {
	case err := <-c.done:
		return c.out.String(), err
	case <-time.After(patience):
		t.Fatal("the container does not end")
		return "", nil
	}
}

// stop is docker stop.
func (c *container) stop(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	said, err := c.end(t)
	if err != nil || !strings.Contains(said, "msg=stopped") {
		t.Fatalf("SIGTERM: %v\n%s", err, said)
	}
}

// healthy runs the image's health check until it says yes.
func (img *image) healthy(t *testing.T, c *container) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if img.command(t, false, nil, img.Healthcheck...).Run() == nil {
			return
		}
		select {
		case err := <-c.done:
			t.Fatalf("the container ended: %v\n%s", err, c.out.String())
		default:
		}
	}
	t.Fatal("the container does not become healthy")
}

// onLoopback makes a server listen on a free port of this machine, and returns its address.
func onLoopback(t *testing.T, id int) (env, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr = l.Addr().String()
	return fmt.Sprintf("ZOO_SERVERS=server.%d=localhost:2888:3888;%s", id, addr), addr
}

func dial(t *testing.T, addr string) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := client.Dial(ctx, client.Options{Servers: addr})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestContainer starts the image twice: what was written the first time is there the second.
func TestContainer(t *testing.T) {
	img := newImage(t)
	servers, addr := onLoopback(t, 3)
	env := []string{servers, "ZOO_MY_ID=3", "ZOO_CFG_EXTRA=maxCnxns=77",
		"JVMFLAGS=-Xmx1g -Dzookeeper.enforceQuota=true"}
	if err := img.command(t, false, nil, img.Healthcheck...).Run(); err == nil {
		t.Error("the image is healthy before it is started")
	}
	first := img.start(t, false, env)
	img.healthy(t, first)
	if status := processStatus(t, first, "NSpid"); !strings.HasSuffix(status, "\t1") {
		t.Errorf("the server is process %q, want 1 inside", status)
	}
	c := dial(t, addr)
	_, err := c.Create(t.Context(), "/kept", []byte("here"), client.Persistent, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	first.stop(t)
	for name, want := range map[string]string{"conf/zoo.cfg": "maxCnxns=77\n",
		"data/myid": "3\n"} {
		text, err := os.ReadFile(filepath.Join(img.root, name))
		if err != nil || !strings.HasSuffix(string(text), want) {
			t.Errorf("%s is %q, %v: want %q at its end", name, text, err, want)
		}
	}
	logs, err := filepath.Glob(filepath.Join(img.root, "datalog", "vivarium", "*"))
	if err != nil || len(logs) == 0 {
		t.Error("there is no log in /datalog")
	}

	// The configuration stays, whatever the variables say now.
	second := img.start(t, false, []string{"ZOO_CFG_EXTRA=clientPort=1", "ZOO_MY_ID=4"})
	img.healthy(t, second)
	c = dial(t, addr)
	data, _, err := c.Get(t.Context(), "/kept")
	if err != nil || string(data) != "here" {
		t.Errorf("/kept is %q, %v after a restart", data, err)
	}
	_ = c.Close()
	second.stop(t)
}

// processStatus returns a line of /proc/pid/status.
func processStatus(t *testing.T, c *container, key string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.TrimRight(value, "\n")
		}
	}
	return ""
}

// TestContainerAsRoot is docker run --user 0: directories of root's are given away, and the server
// does not run as root.
func TestContainerAsRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can start a container as root here")
	}
	img := newImage(t)
	for _, name := range []string{"data", "datalog", "logs"} {
		if err := os.Chown(filepath.Join(img.root, name), 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	servers, addr := onLoopback(t, 1)
	// Who is not root is told what to do.
	refused := img.start(t, false, []string{servers})
	said, err := refused.end(t)
	if err == nil || !strings.Contains(said, "/data must belong to user 1000: chown it, or start "+
		"the container once as root") {
		t.Errorf("a directory of another's: %v\n%s", err, said)
	}
	for _, args := range [][]string{nil, {"serve"}, {"vivarium", "serve"}} {
		c := img.start(t, true, []string{servers}, args...)
		img.healthy(t, c)
		if uid := processStatus(t, c, "Uid"); uid != "\t1000\t1000\t1000\t1000" {
			t.Errorf("%v: the server runs as user %q", args, uid)
		}
		if groups := strings.TrimSpace(processStatus(t, c, "Groups")); groups != "" {
			t.Errorf("%v: the server is in groups %q", args, groups)
		}
		_ = dial(t, addr).Close()
		c.stop(t)
	}
}

// TestContainerCommands runs other commands than a server.
func TestContainerCommands(t *testing.T) {
	img := newImage(t)
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"version"}, 0, "serves the protocol of ZooKeeper 3.9.4"},
		{[]string{"vivarium", "version"}, 0, "serves the protocol of ZooKeeper 3.9.4"},
		{[]string{"zkServer.sh", "status"}, 1, "Error contacting service."},
		{[]string{"zkServer.sh", "restart"}, 2, "the server ends with its container"},
		{[]string{"bash"}, 2, `unknown command "bash"`},
	} {
		c := img.start(t, false, []string{"ZOOCFGDIR=/conf"}, test.args...)
		said, err := c.end(t)
		if code := c.cmd.ProcessState.ExitCode(); code != test.code ||
			!strings.Contains(said, test.want) {
			t.Errorf("%v: code %d, %v, %q; want code %d and %q", test.args, code, err, said,
				test.code, test.want)
		}
	}
	scriptName := img.command(t, false, nil, "/bin/zkServer.sh", "version")
	if out, err := scriptName.CombinedOutput(); err != nil || !bytes.HasPrefix(out,
		[]byte("vivarium ")) {
		t.Errorf("zkServer.sh version: %v, %s", err, out)
	}
}

// TestContainerMoves takes the volume of a ZooKeeper: as it is it is refused, and the way out that
// is named works.
func TestContainerMoves(t *testing.T) {
	img := newImage(t)
	theirs := os.DirFS("../../internal/zkdata/testdata/plain")
	for _, name := range []string{"data", "old"} {
		if err := os.CopyFS(filepath.Join(img.root, name), theirs); err != nil {
			t.Fatal(err)
		}
		img.giveAll(t, name)
	}
	servers, addr := onLoopback(t, 1)
	c := img.start(t, false, []string{servers})
	said, err := c.end(t)
	if err == nil || !strings.Contains(said, "vivarium import --from /data --to DIRECTORY") {
		t.Errorf("a ZooKeeper's volume: %v\n%s", err, said)
	}
	if err := os.RemoveAll(filepath.Join(img.root, "data", "version-2")); err != nil {
		t.Fatal(err)
	}
	c = img.start(t, false, nil, "import", "--from", "/old", "--to", "/data", "--to-log",
		"/datalog")
	if said, err := c.end(t); err != nil || !strings.Contains(said, "imported ") {
		t.Fatalf("import: %v\n%s", err, said)
	}
	c = img.start(t, false, []string{servers})
	img.healthy(t, c)
	us := dial(t, addr)
	if kids, _, err := us.Children(t.Context(), "/seq"); err != nil || len(kids) == 0 {
		t.Errorf("/seq has the children %q, %v", kids, err)
	}
	_ = us.Close()
	c.stop(t)
}

// giveAll gives everything below a directory of the image to the image's user.
func (img *image) giveAll(t *testing.T, name string) {
	t.Helper()
	if os.Getuid() != 0 {
		return // it is its own
	}
	uid, gid, err := img.ids()
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(filepath.Join(img.root, name),
		func(path string, _ os.DirEntry, err error) error {
			return errors.Join(err, os.Lchown(path, uid, gid))
		})
	if err != nil {
		t.Fatal(err)
	}
}
