package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/replication/store"
	"github.com/vivariumdb/vivarium/server/config"
)

// Options is what a server needs from its surroundings. Zero values work.
type Options struct {
	// Config is what the administrator decided; nil is config.Defaults().
	Config *config.Config
	// FS is the file system of the store; nil is the operating system's.
	FS vfs.FS
	// Listener accepts the clients; nil listens on Config.ClientAddress. Run closes it.
	Listener net.Listener
	// Logger takes one line an event; nil is slog.Default().
	Logger *slog.Logger
	// Now is the wall clock; nil is time.Now. Ticks come from the monotonic clock.
	Now func() time.Time
	// Version is what the server calls itself in srvr and its first log line.
	Version Version
	// Member overrides what a member does by default: its zero fields are filled in.
	Member replication.Config
}

// Version names a build.
type Version struct {
	// Release is ours, as 0.1.0; Commit is the commit's short hash, Built when it was built,
	// as 2006-01-02 15:04 UTC. Empty ones are shown as unknown.
	Release, Commit, Built string
}

// ZooKeeperRelease is the release whose protocol and formats are served.
const ZooKeeperRelease = "3.9.4"

// Server is one running member with its sockets and its disk.
type Server struct {
	cfg        *config.Config
	log        *slog.Logger
	now        func() time.Time
	version    Version
	started    time.Time // with its monotonic reading
	background context.Context

	member   *replication.Member
	disk     *store.Store
	lock     *directoryLock
	listener net.Listener

	state   sync.RWMutex // S
	watches sync.Mutex   // W
	inbox   sync.Mutex   // B

	loopWork  mailbox[loopNews]
	logWork   mailbox[*replication.Append]
	applyWork mailbox[replication.ApplyItem]
	flushWork mailbox[*connection]
	checkWork mailbox[checkpointWork]

	kick    chan struct{} // the loop has something to do
	nextID  atomic.Uint64
	feeders sync.WaitGroup
	stages  sync.WaitGroup

	// conns maps what core knows to what we know of a connection. Guarded by S exclusive, and
	// by S shared for reading.
	conns map[*core.Conn]*connection

	draining  atomic.Bool // no new requests
	serving   chan struct{}
	servingOK sync.Once
	fatal     chan error // the first final error
	counters  counters
}

// counters are what the member does not count.
type counters struct {
	slowSyncs atomic.Int64
	stopped   atomic.Int64
}

// New opens the data directory, loads what it holds and listens. Nothing is served before
// Run. The error of a directory that another process uses, of ZooKeeper's own data or of
// damaged files says what to do.
func New(o Options) (*Server, error) {
	if o.Config == nil {
		o.Config = config.Defaults()
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{cfg: o.Config, log: o.Logger, now: o.Now, version: o.Version,
		started: time.Now(), background: context.Background(), kick: make(chan struct{}, 1), conns: make(map[*core.Conn]*connection),
		serving: make(chan struct{}), fatal: make(chan error, 1)}
	for _, box := range []interface{ init() }{&s.loopWork, &s.logWork, &s.applyWork,
		&s.flushWork, &s.checkWork} {
		box.init()
	}
	if err := s.open(o); err != nil {
		return nil, err
	}
	if s.listener = o.Listener; s.listener == nil {
		var err error
		if s.listener, err = net.Listen("tcp", o.Config.ClientAddress); err != nil {
			s.closeDisk()
			return nil, fmt.Errorf("listen for clients: %w (clientPort and clientPortAddress "+
				"say where)", err)
		}
	}
	return s, nil
}

// open locks the data directory and loads the member from it.
func (s *Server) open(o Options) error {
	c := s.cfg
	if err := makeDirectories(o.FS, c); err != nil {
		return err
	}
	var err error
	if s.lock, err = lockDirectory(o.FS, c.DataDir); err != nil {
		return err
	}
	var id store.DiskID
	rand.Read(id[:])
	disk, recovered, err := store.Open(o.FS, store.Options{DataDir: c.DataDir,
		LogDir: c.DataLogDir, DiskID: id, UnsafeNoSync: c.NoSync, Logf: s.storeLog})
	if err != nil {
		s.lock.release()
		return err
	}
	s.disk = disk
	for _, d := range recovered.Damage {
		s.log.Warn("dropped an unfinished record of the log", "file", d.File,
			"offset", d.Offset, "found", d.What)
	}
	rec, err := store.StartMember(disk, recovered, founder)
	if err == nil {
		s.member, err = replication.New(s.memberConfig(o.Member), rec)
	}
	if err != nil {
		s.closeDisk()
		return err
	}
	return nil
}

// founder is the raft id of who founds an ensemble.
const founder core.RaftID = 1

func (s *Server) storeLog(format string, args ...any) {
	s.log.Debug("store", "text", fmt.Sprintf(format, args...))
}

func (s *Server) closeDisk() {
	if err := s.disk.Close(); err != nil {
		s.log.Error("close store", "error", err)
	}
	s.lock.release()
}

// memberConfig translates the administrator's configuration.
func (s *Server) memberConfig(m replication.Config) replication.Config {
	c := s.cfg
	rand.Read(m.Nonce[:])
	m.ContainerCheckMs = c.ContainerCheckInterval.Milliseconds()
	m.ContainerMaxPerMinute = c.ContainerMaxPerMinute
	m.ContainerNeverUsedMs = c.ContainerMaxNeverUsed.Milliseconds()
	m.Settings = core.Settings{
		MinSessionTimeoutMs: int32(c.MinSessionTimeout.Milliseconds()),
		MaxSessionTimeoutMs: int32(c.MaxSessionTimeout.Milliseconds()),
		MaxBuffer:           c.MaxBuffer,
		SkipACL:             c.SkipACL,
		EnforceQuota:        c.EnforceQuota,
		NoExtendedTypes:     c.ExtendedTypesDisabled,
		ReconfigEnabled:     c.ReconfigEnabled,
		SuperDigest:         c.SuperDigest.Reveal(),
		DigestAlgorithm:     c.DigestAlgorithm,
		DigestDisabled:      c.DigestAuthDisabled,
		MaxOutstanding:      c.MaxOutstanding,
		MaxConnections:      max(0, c.MaxConns),
		MaxConnectionsPerIP: max(0, c.MaxClientConns),
		HandshakeMs:         c.HandshakeTimeout.Milliseconds(),
	}
	return m
}

// Addr is where clients connect to.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serving is closed once clients are answered.
func (s *Server) Serving() <-chan struct{} { return s.serving }

// nowMs is the wall clock in milliseconds.
func (s *Server) nowMs() int64 { return s.now().UnixMilli() }

// monoMs is a clock in milliseconds that does not jump. Everything that measures an interval
// on this machine uses it: latencies, hand-shake time-outs, signs of life.
func (s *Server) monoMs() int64 { return time.Since(s.started).Milliseconds() }

// fail stops the server for an error after which nothing may be acknowledged.
func (s *Server) fail(err error) {
	select {
	case s.fatal <- err:
	default:
	}
}

// Run serves until ctx ends and returns nil, or until a final error and returns that.
func (s *Server) Run(ctx context.Context) error {
	s.log.Info("starting", "version", s.version.text(), "serves", "ZooKeeper "+ZooKeeperRelease,
		"address", s.listener.Addr().String(), "dataDir", s.cfg.DataDir,
		"dataLogDir", s.cfg.DataLogDir, "znodes", s.member.Local.State.NodeCount(),
		"sessions", s.member.Local.State.SessionCount(),
		"zxid", s.member.Local.State.LastZxid().String(),
		"took", time.Since(s.started).Round(time.Millisecond).String())
	if s.cfg.NoSync {
		s.log.Warn("unsafe: forceSync=no acknowledges writes that a power failure will lose")
	}
	stopLoop, stopLog := make(chan struct{}), make(chan struct{})
	s.stages.Go(func() { s.runLoop(stopLoop) })
	var storage sync.WaitGroup
	storage.Go(func() { s.runLog(stopLog) })
	storage.Go(func() { s.runCheckpoints(stopLog) })
	s.stages.Go(s.runApply)
	s.stages.Go(s.runFlush)
	s.feeders.Go(s.accept)

	var err error
	select {
	case <-ctx.Done():
		s.stopOrderly()
	case err = <-s.fatal:
		s.log.Error("stopping: nothing can be acknowledged any more", "error", err)
	}
	s.draining.Store(true)
	s.listener.Close()
	s.closeConnections()
	s.feeders.Wait()
	s.applyWork.close()
	s.flushWork.close()
	close(stopLoop)
	s.stages.Wait()
	close(stopLog)
	storage.Wait()
	if closeErr := s.disk.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("close store: %w", closeErr)
	}
	s.lock.release()
	s.log.Info("stopped", "zxid", s.member.Local.State.LastZxid().String(),
		"uptime", time.Since(s.started).Round(time.Millisecond).String())
	return err
}

// stopOrderly takes no new work, waits until what was taken is answered, and saves the State.
// Both waits have an end: a stop must not hang on a client that does not read.
func (s *Server) stopOrderly() {
	const forReplies, forState = 5 * time.Second, 60 * time.Second
	s.log.Info("stopping: no new requests; replies out, state saved")
	s.draining.Store(true)
	s.listener.Close()
	deadline := time.NewTimer(forReplies)
	defer deadline.Stop()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !s.answered() {
		select {
		case <-poll.C:
		case <-deadline.C:
			s.log.Warn("stopping with requests unanswered", "outstanding", s.outstanding())
			goto save
		}
	}
save:
	done := make(chan struct{})
	s.loopWork.put(loopNews{checkpoint: true, saved: done})
	s.wakeLoop()
	deadline.Reset(forState)
	select {
	case <-done:
	case err := <-s.fatal:
		s.log.Error("the state could not be saved; the log holds it", "error", err)
	case <-deadline.C:
		s.log.Warn("the state was not saved in time; the next start replays the log")
	}
}

// answered says whether every request that was taken has its reply on the way.
func (s *Server) answered() bool {
	s.state.RLock()
	defer s.state.RUnlock()
	if s.member.Local.Outstanding() > 0 {
		return false
	}
	for _, c := range s.conns {
		if c.out.pending() {
			return false
		}
	}
	return true
}

func (s *Server) outstanding() int {
	s.state.RLock()
	defer s.state.RUnlock()
	return s.member.Local.Outstanding()
}

// closeConnections ends every connection and makes their goroutines notice.
func (s *Server) closeConnections() {
	s.state.Lock()
	s.member.Local.CloseAll(core.CauseServerStopping)
	s.member.Local.TakeTouched(nil)
	list := make([]*connection, 0, len(s.conns))
	for _, c := range s.conns {
		list = append(list, c)
	}
	s.state.Unlock()
	for _, c := range list {
		c.kickOut()
	}
}

// accept takes connections until the listener is closed.
func (s *Server) accept() {
	for {
		nc, err := s.listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || s.draining.Load() {
				return
			}
			// Out of descriptors, for example: others may be closed meanwhile.
			s.log.Error("accept", "error", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		s.welcome(nc)
	}
}

// welcome opens a connection and starts its goroutine.
func (s *Server) welcome(nc net.Conn) {
	info := core.ConnInfo{ID: core.ConnID(s.nextID.Add(1)), Remote: addrPort(nc.RemoteAddr()),
		NowMs: s.monoMs()}
	rand.Read(info.Random[:])
	s.state.Lock()
	var protocol *core.Conn
	cause := core.CauseServerStopping
	if !s.draining.Load() {
		protocol, cause = s.member.Local.Open(info)
	}
	var c *connection
	if protocol != nil {
		c = newConnection(s, nc, protocol)
		s.conns[protocol] = c
	}
	s.state.Unlock()
	if c == nil {
		s.log.Warn("connection refused", "client", info.Remote.String(), "cause", cause.String())
		nc.Close()
		return
	}
	s.feeders.Go(c.serve)
}

// text is the version as people read it.
func (v Version) text() string {
	release, commit := v.Release, v.Commit
	if release == "" {
		release = "unreleased"
	}
	if commit == "" {
		commit = "unknown"
	}
	return release + "-" + commit
}
