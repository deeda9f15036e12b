package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/vivariumdb/vivarium/server/snapshot"
)

// The control socket lies in dataDir, where nobody but the server's own user gets at it. A tool
// writes one line, a word; the answer is a line, "ok" or what is wrong, and what was asked for.
const (
	controlSocket   = "vivarium.sock"
	controlSnapshot = "snapshot"
	controlStatus   = "status"
	controlOK       = "ok"
)

// Limits of the control socket: a line, how long a tool may take to send or to take anything,
// and one snapshot at a time.
const (
	maxControlLine  = 128
	controlPatience = 30 * time.Second
)

// snapshotPatience is how long a tool waits for a snapshot to begin: for the checkpoint of it,
// which takes the longer the more there is to be saved.
const snapshotPatience = 10 * time.Minute

// ErrNotRunning is wrapped by the errors of OpenSnapshot and AskStatus if no server listens in a
// data directory.
var ErrNotRunning = errors.New("no server is running")

// control is the driver of the control socket.
type control struct {
	s        *Server
	listener net.Listener
	path     string
	stop     chan struct{}
	work     sync.WaitGroup
	busy     sync.Mutex // a snapshot is being sent
}

// startControl listens on the control socket. A server does its work without it, so it is not
// worth a refusal to start.
func (s *Server) startControl() *control {
	c := &control{s: s, stop: make(chan struct{}),
		path: filepath.Join(s.cfg.DataDir, controlSocket)}
	if vfs.Root(s.fs) != vfs.Default {
		return c
	}
	// The directory is locked: what lies there is a dead server's.
	if err := os.Remove(c.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("no control socket: snapshots need a stopped server", "error", err)
		return c
	}
	err := shortPath(c.path, func(path string) error {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err == nil {
			l.SetUnlinkOnClose(false) // the path may be another by then
			c.listener = l
			err = os.Chmod(path, 0o600)
		}
		return err
	})
	if err != nil {
		s.log.Warn("no control socket: snapshots need a stopped server", "error", err)
		c.closeListener()
		return c
	}
	c.work.Go(c.accept)
	return c
}

// shortPath calls fn with a name for path that a socket's address has room for.
func shortPath(path string, fn func(path string) error) error {
	const most = 100
	if len(path) < most {
		return fn(path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return fn(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

func (c *control) closeListener() {
	if c.listener != nil {
		c.listener.Close()
		os.Remove(c.path)
	}
}

// close ends what is under way and waits for it.
func (c *control) close() {
	close(c.stop)
	c.closeListener()
	c.work.Wait()
}

// accept takes tools until the listener is closed. An error that passes is waited out, as that of
// clients: nobody would learn any more how the server is.
func (c *control) accept() {
	const pause = 100 * time.Millisecond
	for {
		nc, err := c.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			select {
			case <-time.After(pause):
				continue
			case <-c.stop:
				return
			}
		}
		c.work.Go(func() {
			done := make(chan struct{})
			c.work.Go(func() {
				select {
				case <-c.stop:
				case <-done:
				}
				nc.Close()
			})
			c.answer(nc)
			close(done)
		})
	}
}

// answer reads one word and does what it says.
func (c *control) answer(nc net.Conn) {
	_ = nc.SetDeadline(time.Now().Add(controlPatience))
	line, err := bufio.NewReader(io.LimitReader(nc, maxControlLine)).ReadString('\n')
	if err != nil {
		return
	}
	w := &patientWriter{nc: nc}
	switch word := strings.TrimSpace(line); word {
	case controlSnapshot:
		err = c.snapshot(w)
	case controlStatus:
		err = c.sendStatus(w)
	default:
		err = fmt.Errorf("unknown word %q", word)
	}
	if err != nil && !w.begun {
		fmt.Fprintf(w, "%v\n", err)
	} else if err != nil {
		c.s.log.Warn("an answer to a tool was not finished", "error", err)
	}
}

// patientWriter gives each write its time.
type patientWriter struct {
	nc    net.Conn
	begun bool
}

func (w *patientWriter) Write(b []byte) (int, error) {
	w.begun = true
	_ = w.nc.SetDeadline(time.Now().Add(controlPatience))
	return w.nc.Write(b)
}

// snapshot sends the State as it is now, without holding up anybody: a checkpoint of it is made,
// as many others are, and what it looks like is frozen in the store while it is sent.
func (c *control) snapshot(w *patientWriter) error {
	if !c.busy.TryLock() {
		return errors.New("another snapshot is being taken: try again later")
	}
	defer c.busy.Unlock()
	began := time.Now()
	s := c.s
	s.state.RLock()
	wish := &save{index: s.member.Local.State.Index(), done: make(chan struct{})}
	s.state.RUnlock()
	s.loopWork.put(loopNews{save: wish})
	select {
	case <-wish.done:
	case <-c.stop:
		return errors.New("the server is stopping")
	}
	view, err := s.disk.View()
	if err != nil {
		return err
	}
	defer view.Close()
	if _, err := fmt.Fprintln(w, controlOK); err != nil {
		return err
	}
	out := snapshot.NewWriter(w)
	if err := view.Records(nil, out.Add); err != nil {
		return err
	}
	if err := out.Finish(view.Meta().Header); err != nil {
		return err
	}
	s.log.Info("snapshot sent", "index", view.Meta().Index,
		"took", time.Since(began).Round(time.Millisecond).String())
	return nil
}

// OpenSnapshot asks the server that runs in a data directory for a snapshot of its State. The
// error is ErrNotRunning if there is none. A server that says nothing for too long is given up.
func OpenSnapshot(dataDir string) (io.ReadCloser, error) {
	return openSnapshot(dataDir, snapshotPatience, controlPatience)
}

// openSnapshot waits for the beginning of the snapshot, and then for each part of it.
func openSnapshot(dataDir string, begin, part time.Duration) (io.ReadCloser, error) {
	nc, err := dialControl(dataDir, controlPatience)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintln(nc, controlSnapshot); err != nil {
		nc.Close()
		return nil, err
	}
	in := &patientReader{nc: nc, patience: begin}
	r := bufio.NewReader(in)
	line, err := r.ReadString('\n')
	in.patience = part
	if err == nil && line == controlOK+"\n" {
		return &answered{r, nc}, nil
	}
	nc.Close()
	if line != "" {
		return nil, errors.New(strings.TrimSpace(line))
	}
	return nil, fmt.Errorf("the server gave no answer: %w", err)
}

// patientReader gives each read its time.
type patientReader struct {
	nc       net.Conn
	patience time.Duration
}

func (r *patientReader) Read(b []byte) (int, error) {
	_ = r.nc.SetReadDeadline(time.Now().Add(r.patience))
	n, err := r.nc.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("the server has said nothing for %v: see what its log says, or stop it "+
			"and try again: %w", r.patience, err)
	}
	return n, err
}

// answered is what follows the first line of an answer.
type answered struct {
	io.Reader
	io.Closer
}
