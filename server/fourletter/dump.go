package fourletter

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"time"
)

// Sessions is what dump says.
type Sessions struct {
	// Total counts the sessions; Expiry groups those that expire together, the soonest first.
	Total  int
	Expiry []SessionsAt
	// Ephemerals are the sessions that own ephemeral nodes, in any order.
	Ephemerals []SessionPaths
	// Connections counts them; Closing groups those that are closed together if they stay
	// silent, the soonest first.
	Connections int
	Closing     []ConnsAt
}

// SessionsAt are sessions that expire at the same time.
type SessionsAt struct {
	// At is printed in its own location.
	At  time.Time
	IDs []int64
}

// SessionPaths are paths that belong to a session.
type SessionPaths struct {
	SessionID int64
	Paths     []string
}

// ConnsAt are connections that are closed at the same time.
type ConnsAt struct {
	At    time.Time
	Conns []ConnName
}

// ConnName names a connection: its session is 0 before the handshake.
type ConnName struct {
	Remote    netip.AddrPort
	SessionID int64
}

// AppendDump answers dump.
func AppendDump(b []byte, s *Sessions) []byte {
	b = append(b, "SessionTracker dump:\nSession "...)
	b = appendSets(b, len(s.Expiry), s.Total)
	for _, set := range s.Expiry {
		b = appendExpiry(b, len(set.IDs), set.At)
		for _, id := range set.IDs {
			b = append(b, "\t0x"...)
			b = append(appendHex(b, id), '\n')
		}
	}
	b = append(b, "ephemeral nodes dump:\nSessions with Ephemerals ("...)
	b = strconv.AppendInt(b, int64(len(s.Ephemerals)), 10)
	b = append(b, "):\n"...)
	for _, owner := range s.Ephemerals {
		b = append(b, "0x"...)
		b = append(appendHex(b, owner.SessionID), ':', '\n')
		b = appendPaths(b, owner.Paths)
	}
	b = append(b, "Connections dump:\nConnections "...)
	b = appendSets(b, len(s.Closing), s.Connections)
	for _, set := range s.Closing {
		b = appendExpiry(b, len(set.Conns), set.At)
		for _, c := range set.Conns {
			b = append(b, "\tip: "...)
			b = appendRemote(b, c.Remote)
			b = append(b, " sessionId: 0x"...)
			b = append(appendHex(b, c.SessionID), '\n')
		}
	}
	return b
}

func appendSets(b []byte, sets, total int) []byte {
	b = append(b, "Sets ("...)
	b = strconv.AppendInt(b, int64(sets), 10)
	b = append(b, ")/("...)
	b = strconv.AppendInt(b, int64(total), 10)
	return append(b, "):\n"...)
}

// appendExpiry writes the time as Java's Date.toString.
func appendExpiry(b []byte, count int, at time.Time) []byte {
	b = strconv.AppendInt(b, int64(count), 10)
	b = append(b, " expire at "...)
	b = at.AppendFormat(b, "Mon Jan 02 15:04:05 MST 2006")
	return append(b, ':', '\n')
}

func appendPaths(b []byte, paths []string) []byte {
	for _, path := range paths {
		b = append(b, '\t')
		b = append(append(b, path...), '\n')
	}
	return b
}

// WatchCounts is what wchs says, of the table of data watches only, as in ZooKeeper.
type WatchCounts struct {
	// Connections that watch something, paths that are watched, and pairs of the two.
	Connections, Paths, Watches int
}

// AppendWchs answers wchs.
func AppendWchs(b []byte, w WatchCounts) []byte {
	b = appendField(b, "", int64(w.Connections))
	b = appendField(b, " connections watching ", int64(w.Paths))
	b = appendField(b, " paths\nTotal watches:", int64(w.Watches))
	return append(b, '\n')
}

// AppendWchc answers wchc: per session the paths it watches the data of.
func AppendWchc(b []byte, sessions []SessionPaths) []byte {
	for _, s := range sessions {
		b = append(b, "0x"...)
		b = append(appendHex(b, s.SessionID), '\n')
		b = appendPaths(b, s.Paths)
	}
	return append(b, '\n')
}

// PathSessions are the sessions that watch a path.
type PathSessions struct {
	Path     string
	Sessions []int64
}

// AppendWchp answers wchp: per path the sessions that watch its data.
func AppendWchp(b []byte, paths []PathSessions) []byte {
	for _, p := range paths {
		b = append(append(b, p.Path...), '\n')
		for _, id := range p.Sessions {
			b = append(b, "\t0x"...)
			b = append(appendHex(b, id), '\n')
		}
	}
	return append(b, '\n')
}

// Digest is a line of hash: the digest of the tree after a zxid.
type Digest struct{ Zxid, Digest int64 }

// AppendHash answers hash. ZooKeeper keeps 1024 digests, one for each 128 transactions.
func AppendHash(b []byte, digests []Digest) []byte {
	for _, d := range digests {
		b = appendHex(b, d.Zxid)
		b = appendLine(b, ": ", d.Digest)
	}
	return b
}

// DefaultTraceMask is the trace mask of a ZooKeeper that was not told another one. It is only
// kept and shown: there is nothing that it traces.
const DefaultTraceMask int64 = 306

// AppendTraceMask answers gtmk, and stmk with the mask that was set.
func AppendTraceMask(b []byte, mask int64) []byte { return strconv.AppendInt(b, mask, 10) }

// ParseTraceMask reads the eight bytes that follow stmk; ok is false if they are not all there,
// and then ZooKeeper closes the connection without an answer.
func ParseTraceMask(after []byte) (mask int64, ok bool) {
	if len(after) < 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(after)), true
}
