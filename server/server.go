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
	"github.com/vivariumdb/vivarium/server/fourletter"
)

// Options is what a server needs from its surroundings. Zero values work.
type Options struct {
	// Config is what the administrator decided; nil and zero fields are the defaults.
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
	// Member overrides what a member does by default: its zero fields are filled in, and what
	// Config decides is taken from there.
	Member replication.Config
	// Store overrides the sizes of what lies on disk; directories, disk id and whether to sync
	// are decided by Config.
	Store store.Options
}

// Version names a build.
type Version struct {
	// Release is ours, as 0.1.0; Commit is the commit's hash. Empty ones are unknown.
	Release, Commit string
	// Built is when the commit was made; zero is unknown.
	Built time.Time
}

// ZooKeeperRelease is the release whose protocol and formats are served.
const ZooKeeperRelease = "3.9.4"

// Server is one running member with its sockets and its disk.
type Server struct {
	cfg        *config.Config
	log        *slog.Logger
	now        func() time.Time
	version    Version
	whitelist  fourletter.Whitelist
	started    time.Time // with its monotonic reading
	replayed   int       // entries of the log behind the checkpoint
	background context.Context

	member   *replication.Member
	fs       vfs.FS
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
	parking *parking

	descriptors int64          // clientDescriptors
	feeders     sync.WaitGroup // accept, each connection, and who writes for it
	stages      sync.WaitGroup // loop, apply, flush, parking

	draining    atomic.Bool // no new connections
	lingering   atomic.Int64
	serving     chan struct{}
	servingOnce sync.Once
	quotaLogged int64      // apply's: when a quota was last logged
	fatal       chan error // the first final error
	counters    counters
	digests     digestRing
}

// New opens the data directory, loads what it holds and listens. Nothing is served before
// Run. The error of a directory that another process uses, of ZooKeeper's own data or of
// damaged files says what to do.
func New(o Options) (*Server, error) {
	var c config.Config
	if o.Config != nil {
		c = *o.Config
	}
	c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	o.Config = &c
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{cfg: o.Config, fs: o.FS, log: o.Logger, now: o.Now, version: o.Version,
		started: time.Now(), background: context.Background(), kick: make(chan struct{}, 1),
		whitelist: fourletter.NewWhitelist(o.Config.FourLetterWords),
		serving:   make(chan struct{}), fatal: make(chan error, 1)}
	s.descriptors = clientDescriptors()
	s.counters.traceMask.Store(fourletter.DefaultTraceMask)
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
	if err := makeDirectories(s.fs, c); err != nil {
		return err
	}
	var err error
	if s.lock, err = lockDirectories(s.fs, c); err != nil {
		return err
	}
	var id store.DiskID
	rand.Read(id[:])
	options := o.Store
	options.DataDir, options.LogDir, options.DiskID = c.DataDir, c.DataLogDir, id
	options.UnsafeNoSync, options.Logf = c.NoSync, s.storeLog
	disk, recovered, err := store.Open(s.fs, options)
	if err != nil {
		s.lock.release(errors.Is(err, store.ErrZooKeeperData))
		return err
	}
	s.disk = disk
	for _, d := range recovered.Damage {
		s.log.Warn("dropped what a crash left unfinished", "file", d.File,
			"offset", d.Offset, "found", d.What)
	}
	s.replayed = len(recovered.Entries)
	s.counters.saved.Store(&saved{index: recovered.Checkpoint.Index})
	began := time.Now()
	rec, err := store.StartMember(disk, recovered, founder)
	if err == nil {
		s.counters.load.add(time.Since(began).Milliseconds())
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
	s.lock.release(false)
}

// memberConfig translates the administrator's configuration.
func (s *Server) memberConfig(m replication.Config) replication.Config {
	c := s.cfg
	rand.Read(m.Nonce[:])
	if usage, err := s.disk.Usage(); err == nil && m.LowDiskBytes == 0 {
		m.LowDiskBytes = lowDisk(usage.TotalBytes)
	}
	m.ContainerCheckMs = c.ContainerCheckInterval.Milliseconds()
	m.ContainerMaxPerMinute = c.ContainerMaxPerMinute
	m.ContainerNeverUsedMs = c.ContainerMaxNeverUsed.Milliseconds()
	set := &m.Settings
	set.MinSessionTimeoutMs = int32(c.MinSessionTimeout.Milliseconds())
	set.MaxSessionTimeoutMs = int32(c.MaxSessionTimeout.Milliseconds())
	set.MaxBuffer = c.MaxBuffer
	set.SkipACL = c.SkipACL
	set.EnforceQuota = c.EnforceQuota
	set.NoExtendedTypes = c.ExtendedTypesDisabled
	set.ReconfigEnabled = c.ReconfigEnabled
	set.SuperDigest = c.SuperDigest.Reveal()
	set.DigestAlgorithm = c.DigestAlgorithm
	set.DigestDisabled = c.DigestAuthDisabled
	set.MaxOutstanding = c.MaxOutstanding
	set.MaxConnections = max(0, c.MaxConns)
	set.MaxConnectionsPerIP = max(0, c.MaxClientConns)
	set.HandshakeMs = c.HandshakeTimeout.Milliseconds()
	return m
}

// lowDisk is how little room makes a disk of that size low: what checkpoints and the segments of
// the log may need at once, but of a small disk not all that there is. Zero is what
// replication.Config says.
func lowDisk(total uint64) int64 {
	const share, most = 16, 256 << 20
	if total == 0 {
		return 0
	}
	return int64(max(1, min(total/share, most)))
}

// Addr is where clients connect to.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serving is closed once clients are answered.
func (s *Server) Serving() <-chan struct{} { return s.serving }

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
