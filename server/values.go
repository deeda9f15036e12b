package server

import (
	"math"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/server/fourletter"
)

// zooKeeperVersion is the version as clients parse it. The hash has to be hexadecimal.
func (v Version) zooKeeperVersion() string {
	hash := v.Commit
	if strings.Trim(hash, "0123456789abcdef") != "" || hash == "" {
		hash = "0000000"
	}
	built := v.Built
	if built.IsZero() {
		built = time.Unix(0, 0)
	}
	return fourletter.Version(ZooKeeperRelease, hash, built)
}

// wordStats is what srvr and stat say of the server.
func (s *Server) wordStats() *fourletter.Stats {
	s.state.Lock()
	defer s.state.Unlock()
	local := s.member.Local
	total := local.Totals()
	stats := &fourletter.Stats{Version: s.version.zooKeeperVersion(), Latency: latency(total),
		Received: total.Received, Sent: total.Sent, Connections: local.ConnCount(),
		Outstanding: int64(local.Outstanding()), Zxid: int64(local.State.LastZxid()),
		Mode: "standalone", NodeCount: int64(local.State.NodeCount())}
	if local.Serving() == core.ServingReadOnly {
		stats.Mode, stats.ReadOnly = "read-only", true
	}
	return stats
}

func latency(t core.Totals) fourletter.Summary {
	return fourletter.Summary{Min: t.MinLatency, Max: t.MaxLatency, Count: t.Requests,
		Sum: t.TotalLatency}
}

func waited(l *core.Latencies) fourletter.Summary {
	return fourletter.Summary{Min: l.Min, Max: l.Max, Count: l.Count, Sum: l.Sum,
		P50: l.Quantile(0.5), P95: l.Quantile(0.95), P99: l.Quantile(0.99),
		P999: l.Quantile(0.999)}
}

// wordMetrics is what mntr says. What is not measured here is printed as 0.
func (s *Server) wordMetrics() *fourletter.Metrics {
	files, most := descriptors()
	n := map[string]int64{
		"open_file_descriptor_count": files, "max_file_descriptor_count": most,
		"uptime":                          s.monoMs(),
		"connection_rejected":             s.counters.rejected.Load(),
		"sessionless_connections_expired": s.counters.silent.Load(),
		"connection_drop_count":           s.counters.slow.Load(),
		// What ZooKeeper says before it has sent any; sizes of answers are not measured here.
		"last_client_response_size": -1, "max_client_response_size": -1,
		"min_client_response_size": -1,
	}
	m := &fourletter.Metrics{Version: s.version.zooKeeperVersion(), State: "standalone",
		Numbers: n, Floats: map[string]float64{}, Summaries: map[string]fourletter.Summary{
			"fsynctime": s.counters.syncs.get(), "snapshottime": s.counters.checkpoints.get(),
			"dbinittime": s.counters.load.get(), "startup_snap_load_time": s.counters.load.get()}}
	s.state.Lock()
	defer s.state.Unlock()
	local, state := s.member.Local, s.member.Local.State
	total := local.Totals()
	writes, reads := local.Waited()
	n["watch_count"] = int64(local.Watches.Size())
	n["ephemerals_count"] = int64(state.EphemeralCount())
	n["num_alive_connections"] = int64(local.ConnCount())
	n["outstanding_requests"] = int64(local.Outstanding())
	n["znode_count"] = int64(state.NodeCount())
	n["global_sessions"] = int64(state.SessionCount())
	n["approximate_data_size"] = state.DataSize()
	n["packets_received"], n["packets_sent"] = total.Received, total.Sent
	n["bytes_received_count"] = total.BytesReceived
	n["connection_request_count"] = total.Handshakes
	n["auth_failed_count"] = local.AuthFailed
	n["min_latency"], n["max_latency"] = total.MinLatency, total.MaxLatency
	all := latency(total)
	m.Floats["avg_latency"] = all.Avg()
	m.Summaries["updatelatency"] = waited(&writes)
	// All reads but those that waited took no time worth a millisecond.
	reading := waited(&reads)
	if now := total.Requests - writes.Count; now > reading.Count {
		reading.Count, reading.Min = now, 0
		reading.P50, reading.P95 = 0, 0
	}
	m.Summaries["readlatency"] = reading
	return m
}

// wordConf is the configuration as it works.
func (s *Server) wordConf() *fourletter.Configuration {
	c := s.cfg
	data, log := s.directorySizes()
	port := 0
	if tcp, ok := s.listener.Addr().(*net.TCPAddr); ok {
		port = tcp.Port
	}
	return &fourletter.Configuration{ClientPort: port, SecureClientPort: -1,
		DataDir: absolute(c.DataDir), DataDirSize: data,
		DataLogDir: absolute(c.DataLogDir), DataLogSize: log,
		TickTimeMs: c.TickTime.Milliseconds(), MaxClientConns: max(0, c.MaxClientConns),
		MinSessionTimeoutMs: c.MinSessionTimeout.Milliseconds(),
		MaxSessionTimeoutMs: c.MaxSessionTimeout.Milliseconds(),
		ListenBacklog:       c.ListenBacklog, ServerID: c.ServerID}
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

// directorySizes are the bytes in our part of the data directory and of the log's.
func (s *Server) directorySizes() (data, log int64) {
	const ours = "vivarium"
	data = directorySize(s.fs, s.fs.PathJoin(s.cfg.DataDir, ours))
	if s.cfg.DataLogDir == s.cfg.DataDir {
		return data, data // as ZooKeeper has it, which counts each directory whole
	}
	return data, directorySize(s.fs, s.fs.PathJoin(s.cfg.DataLogDir, ours))
}

// wordEnvironment is about the machine. What is Java's is unknown here.
func (s *Server) wordEnvironment() *fourletter.Environment {
	const mb = 1 << 20
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	e := &fourletter.Environment{Version: s.version.zooKeeperVersion(), TempDir: os.TempDir(),
		OSName: strings.ToUpper(runtime.GOOS[:1]) + runtime.GOOS[1:], OSArch: runtime.GOARCH,
		OSVersion: kernel(), UserHome: os.Getenv("HOME"),
		MemoryFreeMB: int64(mem.HeapIdle-mem.HeapReleased) / mb, MemoryMaxMB: memory() / mb,
		MemoryTotalMB: int64(mem.Sys-mem.HeapReleased) / mb}
	e.HostName, _ = os.Hostname()
	e.UserDir, _ = os.Getwd()
	if u, err := user.Current(); err == nil {
		e.UserName = u.Username
	}
	return e
}

// kernel is the release of the operating system, empty if it does not say.
func kernel() string {
	text, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(text))
}

// memory is what the machine has in bytes, or what Go was told to keep below.
func memory() int64 {
	limit := debug.SetMemoryLimit(-1)
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) == nil {
		limit = min(limit, int64(info.Totalram)*int64(info.Unit))
	}
	return limit
}

// descriptors are the files that are open and that may be open; 0 if unknown.
func descriptors() (open, most int64) {
	if names, err := os.ReadDir("/proc/self/fd"); err == nil {
		open = int64(len(names))
	}
	return open, maxDescriptors()
}

// maxDescriptors is how many files may be open; 0 if unknown.
func maxDescriptors() int64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int64(min(limit.Cur, math.MaxInt64))
}
