package core

import "github.com/vivariumdb/vivarium/internal/mutant"

// Settings are what one server decides for the connections that it takes. Those that change
// the outcome of a write travel with its command, so that apply never reads them.
type Settings struct {
	// MinSessionTimeoutMs and MaxSessionTimeoutMs bound what a client may ask for, in
	// milliseconds. Zero means 4,000 and 40,000: 2 and 20 ticks of 2 s.
	MinSessionTimeoutMs, MaxSessionTimeoutMs int32

	// MaxBuffer is jute.maxbuffer: a longer frame closes its connection. Bytes; zero means
	// wire.DefaultMaxBuffer.
	MaxBuffer int

	// SkipACL lets everybody do everything (zookeeper.skipACL=yes).
	SkipACL bool
	// EnforceQuota makes hard quotas refuse writes (enforceQuota).
	EnforceQuota bool
	// NoExtendedTypes refuses TTL znodes (extendedTypesEnabled=false).
	NoExtendedTypes bool

	// ReconfigEnabled lets clients try to change the membership (reconfigEnabled).
	ReconfigEnabled bool
	// MayStandAlone lets them leave one voter (standaloneEnabled=false).
	MayStandAlone bool

	// SuperDigest is the digest id, user:base64, that may do everything; empty is nobody.
	SuperDigest string
	// DigestAlgorithm is one of DigestAlgorithms; empty is SHA1.
	DigestAlgorithm string
	// DigestDisabled refuses auth packets of scheme digest.
	DigestDisabled bool

	// ServerID is N of server.N: the ids of read-only sessions name it.
	ServerID uint8

	// MaxOutstanding is globalOutstandingLimit: while more commands of this server wait for
	// their outcome, a connection that has one of its own among them is not read further.
	// Zero means 1,000.
	MaxOutstanding int
	// MaxOutstandingBytes bounds the commands of this server that wait for their outcome, in
	// bytes, and MaxInputBytes the long frames that are being received. At the limit no
	// connection is read that would add to it. Zero means 64 MiB and 256 MiB.
	MaxOutstandingBytes, MaxInputBytes int
	// MaxQueued bounds what one connection may have waiting, in requests. At the limit it is
	// not read further. Zero means 10,000.
	MaxQueued int
	// MaxQueuedBytes bounds the frames that one connection may have waiting. At the limit it
	// is not read further. Zero means 1 MiB.
	MaxQueuedBytes int
	// SoftUnsent is the number of unsent bytes above which a connection is not read further.
	// Zero means 256 KiB.
	SoftUnsent int
	// MaxHeldBytes bounds what connections that hold more than 64 KiB hold in all: unsent
	// bytes and requests that wait. Above it none of them is read further; above twice of it
	// those are closed that hold most. Zero means 256 MiB.
	MaxHeldBytes int
	// HardUnsent is the number of unsent bytes above which a connection is closed: its client
	// does not read and its events may not be dropped. Zero means 128 MiB, twice the longest
	// reply.
	HardUnsent int

	// MaxConnections is maxCnxns: the connections that a server takes in all. Zero is no limit.
	MaxConnections int
	// MaxConnectionsPerIP is maxClientCnxns. Zero is no limit.
	MaxConnectionsPerIP int
	// HandshakeMs closes a connection that has no session after that many milliseconds.
	// Zero means 10,000 (zookeeper.nio.sessionlessCnxnTimeout).
	HandshakeMs int64
	// TouchMs is how often a busy connection reports that its session lives, in
	// milliseconds. Zero means 50, the replica's tick.
	TouchMs int64
}

// withDefaults is the one place where zero values get their meaning.
func (s Settings) withDefaults() Settings {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	if s.MinSessionTimeoutMs == 0 {
		s.MinSessionTimeoutMs = 4000
	}
	if s.MaxSessionTimeoutMs == 0 {
		s.MaxSessionTimeoutMs = 40000
	}
	if s.HandshakeMs == 0 {
		s.HandshakeMs = 10000
	}
	if s.TouchMs == 0 {
		s.TouchMs = 50
	}
	def(&s.MaxBuffer, 1048575)
	def(&s.MaxOutstanding, 1000)
	def(&s.MaxQueued, 10000)
	def(&s.MaxOutstandingBytes, 64<<20)
	def(&s.MaxInputBytes, 256<<20)
	def(&s.MaxQueuedBytes, 1<<20)
	def(&s.SoftUnsent, 256<<10)
	def(&s.MaxHeldBytes, 256<<20)
	def(&s.HardUnsent, 2*MaxReply)
	return s
}

// clamp negotiates a session's time-out; zero and negative become the least (PROTOCOL,
// "Seen on the wire", 2).
func (s *Settings) clamp(timeoutMs int32) int32 {
	if mutant.On("limits-timeout-below-least") {
		return min(max(timeoutMs, 1), s.MaxSessionTimeoutMs)
	}
	return min(max(timeoutMs, s.MinSessionTimeoutMs), s.MaxSessionTimeoutMs)
}

func (s *Settings) flags() Flags {
	return Flags{SkipACL: s.SkipACL,
		EnforceQuota:  s.EnforceQuota && !mutant.On("limits-quota-not-enforced"),
		ExtendedTypes: !s.NoExtendedTypes, Reconfig: s.ReconfigEnabled,
		MayStandAlone: s.MayStandAlone}
}
