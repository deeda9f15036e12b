package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Status is what a server says of itself. Its JSON is read by programs: names stay, new ones may
// be added.
type Status struct {
	// Serving says whether clients are answered; a server that loads or stops does not.
	Serving bool `json:"serving"`
	// Stopping says that it was told to stop.
	Stopping bool   `json:"stopping"`
	Mode     string `json:"mode"`
	// Release and Commit are ours, ZooKeeper is the release that is served.
	Release   string `json:"release"`
	Commit    string `json:"commit"`
	ZooKeeper string `json:"zookeeper"`
	PID       int    `json:"pid"`
	ServerID  int64  `json:"serverId"`
	// Address is where clients connect to.
	Address  string `json:"address"`
	UptimeMs int64  `json:"uptimeMs"`

	Connections int    `json:"connections"`
	Sessions    int    `json:"sessions"`
	Watches     int    `json:"watches"`
	Outstanding int    `json:"outstanding"`
	Znodes      int    `json:"znodes"` // as the words count: with the root and /zookeeper
	Ephemerals  int    `json:"ephemerals"`
	Containers  int    `json:"containers"`
	TTLs        int    `json:"ttls"`
	Zxid        string `json:"zxid"` // of the last write
	DataBytes   int64  `json:"dataBytes"`

	// LatencyMs of requests and FsyncMs of the log, since the start or srst.
	LatencyMs MinAvgMax `json:"latencyMs"`
	FsyncMs   MinAvgMax `json:"fsyncMs"`
	// NoSync says that writes are acknowledged before they are on the disk.
	NoSync bool `json:"noSync"`

	Storage Storage `json:"storage"`
}

// MinAvgMax sums up observations.
type MinAvgMax struct {
	Min   int64   `json:"min"`
	Avg   float64 `json:"avg"`
	Max   int64   `json:"max"`
	Count int64   `json:"count"`
}

// Storage is what lies on the disk.
type Storage struct {
	DataDir    string `json:"dataDir"`
	DataLogDir string `json:"dataLogDir"`
	// DataDirBytes and LogDirBytes are of our files there; one directory counts in both.
	DataDirBytes int64 `json:"dataDirBytes"`
	LogDirBytes  int64 `json:"logDirBytes"`
	// FreeBytes is the room on the fuller of the file systems, 0 if unknown.
	FreeBytes uint64 `json:"freeBytes"`
	// SavedIndex is the place in the log up to which the State is saved, AppliedIndex where it
	// is: a start replays what is between.
	SavedIndex   uint64 `json:"savedIndex"`
	AppliedIndex uint64 `json:"appliedIndex"`
	// SavedAgeMs is how long ago it was saved, -1 if not since the start.
	SavedAgeMs int64 `json:"savedAgeMs"`
}

// saved is when the State was last saved, and up to where.
type saved struct {
	index uint64
	at    time.Time // zero: before the start
}

// status describes the server as it is now.
func (s *Server) status() *Status {
	st := &Status{Serving: s.isServing() && !s.draining.Load(), Stopping: s.draining.Load(),
		Mode: "standalone", Release: s.version.Release, Commit: s.version.Commit,
		ZooKeeper: ZooKeeperRelease, PID: os.Getpid(), ServerID: s.cfg.ServerID,
		Address: s.listener.Addr().String(), UptimeMs: s.monoMs(), NoSync: s.cfg.NoSync,
		Storage: Storage{DataDir: absolute(s.cfg.DataDir), DataLogDir: absolute(s.cfg.DataLogDir),
			SavedAgeMs: -1}}
	disk := &st.Storage
	disk.DataDirBytes, disk.LogDirBytes = s.directorySizes()
	if usage, err := s.disk.Usage(); err == nil {
		disk.FreeBytes = usage.AvailBytes
	}
	if last := s.counters.saved.Load(); last != nil {
		disk.SavedIndex = last.index
		if !last.at.IsZero() {
			disk.SavedAgeMs = time.Since(last.at).Milliseconds()
		}
	}
	syncs := s.counters.syncs.get()
	st.FsyncMs = MinAvgMax{syncs.Min, syncs.Avg(), syncs.Max, syncs.Count}
	s.state.Lock()
	defer s.state.Unlock()
	local, state := s.member.Local, s.member.Local.State
	took := latency(local.Totals())
	st.LatencyMs = MinAvgMax{took.Min, took.Avg(), took.Max, took.Count}
	st.Watches = local.Watches.Size()
	st.Connections, st.Outstanding = local.ConnCount(), int(local.Outstanding())
	st.Sessions, st.Znodes = state.SessionCount(), state.NodeCount()
	st.Ephemerals, st.Containers = state.EphemeralCount(), state.ContainerCount()
	st.TTLs, st.DataBytes = state.TTLCount(), state.DataSize()
	st.Zxid, disk.AppliedIndex = state.LastZxid().String(), state.Index()
	return st
}

// Alive returns nil once the loop has turned and the State could be locked: nothing that every
// request needs hangs. It returns the error of ctx if that ends first. It is for who watches over
// a server that Run runs.
func (s *Server) Alive(ctx context.Context) error {
	turned := make(chan struct{})
	s.loopWork.put(loopNews{alive: turned})
	select {
	case <-turned:
	case <-ctx.Done():
		return ctx.Err()
	}
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !s.state.TryRLock() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.state.RUnlock()
	return nil
}

// AskStatus asks the server that runs in a data directory for its Status. The error is
// ErrNotRunning if there is none.
func AskStatus(dataDir string, patience time.Duration) (*Status, error) {
	nc, err := dialControl(dataDir, patience)
	if errors.Is(err, ErrNotRunning) {
		if pid := holder(dataDir); pid != "" {
			return nil, fmt.Errorf("the server in %s, pid %s, does not answer yet: it is loading "+
				"its data, or is about to end", dataDir, pid)
		}
	}
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintln(nc, controlStatus); err != nil {
		return nil, err
	}
	r := bufio.NewReader(nc)
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the server in %s gave no answer: %w", dataDir, err)
	}
	if line != controlOK+"\n" {
		return nil, errors.New(strings.TrimSpace(line))
	}
	st := &Status{}
	if err := json.NewDecoder(r).Decode(st); err != nil {
		return nil, fmt.Errorf("the server in %s gave no whole answer: %w", dataDir, err)
	}
	return st, nil
}

// holder is the process that holds the lock of a data directory, "" if nobody does or the system
// does not say. The lock itself is left alone: who tries it, even for a moment, may keep a server
// from starting.
func holder(dataDir string) (pid string) {
	name := filepath.Join(dataDir, lockFile)
	text, errText := os.ReadFile(name)
	info, errInfo := os.Stat(name)
	locks, errLocks := os.ReadFile("/proc/locks")
	if errors.Join(errText, errInfo, errLocks) != nil {
		return ""
	}
	file, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	pid = strings.TrimSpace(string(text))
	inode := fmt.Sprintf(":%d", file.Ino)
	// 1: FLOCK  ADVISORY  WRITE 11879 fe:00:10248689 0 EOF
	for line := range strings.Lines(string(locks)) {
		f := strings.Fields(line)
		if len(f) > 5 && f[1] == "FLOCK" && f[4] == pid && strings.HasSuffix(f[5], inode) {
			return pid
		}
	}
	return ""
}

// dialControl connects to the control socket in a data directory.
func dialControl(dataDir string, patience time.Duration) (nc net.Conn, err error) {
	err = shortPath(filepath.Join(dataDir, controlSocket), func(path string) (err error) {
		nc, err = net.DialTimeout("unix", path, patience)
		return err
	})
	switch {
	case err == nil:
		return nc, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: only the server's own user and root reach its socket", err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		// No socket, or that of a server that was killed. A directory that is not there is named.
		_, missing := os.Stat(dataDir)
		if missing == nil {
			return nil, fmt.Errorf("%w in %s", ErrNotRunning, dataDir)
		}
		err = missing
	}
	return nil, fmt.Errorf("%w in %s: %w", ErrNotRunning, dataDir, err)
}

// sendStatus answers the control word.
func (c *control) sendStatus(w io.Writer) error {
	text, err := json.Marshal(c.s.status())
	if err == nil {
		_, err = fmt.Fprintf(w, "%s\n%s\n", controlOK, text)
	}
	return err
}
