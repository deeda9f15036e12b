package fourletter

import (
	"math"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Stats is what srvr and stat say about a server.
type Stats struct {
	// Version is as Version makes it.
	Version string
	// ReadOnly adds the line that says so.
	ReadOnly bool
	// Latency of requests in ms, from arrival to answer, since the start or srst.
	Latency Summary
	// Received and Sent count packets, since the start or srst.
	Received, Sent int64
	// Connections are those that are open, the asking one too.
	Connections int
	// Outstanding counts requests that are not answered yet.
	Outstanding int64
	// Zxid is the last one applied.
	Zxid int64
	// Mode is standalone, leader, follower, observer or read-only.
	Mode string
	// NodeCount counts znodes, those of /zookeeper and the root too.
	NodeCount int64
	// Proposals are the sizes of proposals, on a leader; nil elsewhere.
	Proposals *Sizes
}

// Sizes are the last, the least and the greatest of sizes in bytes.
type Sizes struct{ Last, Min, Max int64 }

// Version is the text that clients parse: release-hash, built on a date. The hash must be a
// hexadecimal number, and the date is printed in UTC.
func Version(release, hash string, built time.Time) string {
	return release + "-" + hash + ", built on " + built.UTC().Format("2006-01-02 15:04") + " UTC"
}

// AppendSrvr answers srvr.
func AppendSrvr(b []byte, s *Stats) []byte {
	return appendStats(appendVersion(b, s), s)
}

// AppendStat answers stat: srvr with the connections.
func AppendStat(b []byte, s *Stats, conns []Conn) []byte {
	b = appendVersion(b, s)
	b = append(b, "Clients:\n"...)
	for i := range conns {
		b = append(appendConn(b, &conns[i], true), '\n')
	}
	b = append(b, '\n')
	return appendStats(b, s)
}

func appendVersion(b []byte, s *Stats) []byte {
	b = append(b, "Zookeeper version: "...)
	b = append(b, s.Version...)
	b = append(b, '\n')
	if s.ReadOnly {
		b = append(b, "READ-ONLY mode; serving only read-only clients\n"...)
	}
	return b
}

func appendStats(b []byte, s *Stats) []byte {
	b = append(b, "Latency min/avg/max: "...)
	b = strconv.AppendInt(b, s.Latency.Min, 10)
	b = append(b, '/')
	b = appendDouble(b, s.Latency.Avg())
	b = append(b, '/')
	b = strconv.AppendInt(b, s.Latency.Max, 10)
	b = appendLine(b, "\nReceived: ", s.Received)
	b = appendLine(b, "Sent: ", s.Sent)
	b = appendLine(b, "Connections: ", int64(s.Connections))
	b = appendLine(b, "Outstanding: ", s.Outstanding)
	b = append(b, "Zxid: 0x"...)
	b = appendHex(b, s.Zxid)
	b = append(b, "\nMode: "...)
	b = append(b, s.Mode...)
	b = appendLine(b, "\nNode count: ", s.NodeCount)
	if p := s.Proposals; p != nil {
		b = append(b, "Proposal sizes last/min/max: "...)
		b = strconv.AppendInt(b, p.Last, 10)
		b = append(b, '/')
		b = strconv.AppendInt(b, p.Min, 10)
		b = append(b, '/')
		b = append(strconv.AppendInt(b, p.Max, 10), '\n')
	}
	return b
}

// Interest says what a connection waits for, as bits of Java's SelectionKey.
type Interest int

// The bits of Interest. A connection that asks a four-letter word has none.
const (
	InterestRead  Interest = 1
	InterestWrite Interest = 4
)

// Conn is a line of cons and stat. All counts and latencies are since the start or crst.
type Conn struct {
	Remote   netip.AddrPort
	Interest Interest
	// Queued counts requests not answered yet; Received and Sent count packets.
	Queued, Received, Sent int64
	// SessionID is 0 before the handshake, and then nothing below is printed.
	SessionID int64
	// LastOp is a name of LastOp's, "NA" before the first.
	LastOp      string
	Established time.Time
	TimeoutMs   int64
	// LastCxid is the xid of the last request, -1 for none; LastZxid the zxid of its answer.
	LastCxid, LastZxid int64
	// LastResponseMs is when the last answer was sent, by any clock that counts milliseconds.
	LastResponseMs int64
	// Latencies in ms.
	LastLatency, MinLatency, AvgLatency, MaxLatency int64
}

// AppendCons answers cons.
func AppendCons(b []byte, conns []Conn) []byte {
	for i := range conns {
		b = append(appendConn(b, &conns[i], false), '\n')
	}
	return append(b, '\n')
}

func appendConn(b []byte, c *Conn, brief bool) []byte {
	b = append(b, ' ')
	b = appendRemote(b, c.Remote)
	b = append(b, '[')
	b = strconv.AppendInt(b, int64(c.Interest), 16)
	b = append(b, ']', '(')
	b = appendField(b, "queued=", c.Queued)
	b = appendField(b, ",recved=", c.Received)
	b = appendField(b, ",sent=", c.Sent)
	if !brief && c.SessionID != 0 {
		b = append(b, ",sid=0x"...)
		b = appendHex(b, c.SessionID)
		b = append(b, ",lop="...)
		b = append(b, c.LastOp...)
		b = appendField(b, ",est=", c.Established.UnixMilli())
		b = appendField(b, ",to=", c.TimeoutMs)
		if c.LastCxid >= 0 {
			b = append(b, ",lcxid=0x"...)
			b = appendHex(b, c.LastCxid)
		}
		b = append(b, ",lzxid=0x"...)
		b = appendHex(b, c.LastZxid)
		b = appendField(b, ",lresp=", c.LastResponseMs)
		b = appendField(b, ",llat=", c.LastLatency)
		b = appendField(b, ",minlat=", c.MinLatency)
		b = appendField(b, ",avglat=", c.AvgLatency)
		b = appendField(b, ",maxlat=", c.MaxLatency)
	}
	return append(b, ')')
}

// appendRemote writes an address as Java's InetSocketAddress does: a slash in front, IPv6 in
// brackets and without any abbreviation.
func appendRemote(b []byte, remote netip.AddrPort) []byte {
	b = append(b, '/')
	addr := remote.Addr().Unmap()
	if addr.Is6() {
		b = append(b, '[')
		bytes := addr.As16()
		for i := 0; i < len(bytes); i += 2 {
			if i > 0 {
				b = append(b, ':')
			}
			b = strconv.AppendUint(b, uint64(bytes[i])<<8|uint64(bytes[i+1]), 16)
		}
		if zone := addr.Zone(); zone != "" {
			b = append(append(b, '%'), zone...)
		}
		b = append(b, ']')
	} else {
		b = addr.AppendTo(b)
	}
	b = append(b, ':')
	return strconv.AppendUint(b, uint64(remote.Port()), 10)
}

// Summary is a row of observations. Its zero value has seen none.
type Summary struct {
	Min, Max, Count, Sum int64
	// P50 to P999 are quantiles, for metrics that have them.
	P50, P95, P99, P999 int64
}

// Avg is the mean, rounded half up to four decimals as ZooKeeper's AvgMinMaxCounter does.
func (s Summary) Avg() float64 {
	if s.Count <= 0 {
		return 0
	}
	exact := new(big.Rat).SetFloat64(float64(s.Sum) / float64(s.Count))
	if exact == nil {
		return 0
	}
	scaled := exact.Mul(exact, big.NewRat(10000, 1))
	scaled.Add(scaled, big.NewRat(1, 2))
	whole := new(big.Int).Div(scaled.Num(), scaled.Denom())
	mean, _ := new(big.Rat).SetFrac(whole, big.NewInt(10000)).Float64()
	return mean
}

// appendDouble writes a number as Java's Double.toString: always with a point, and with an
// exponent from ten millions up and below a thousandth.
func appendDouble(b []byte, f float64) []byte {
	size := math.Abs(f)
	if f == 0 || size >= 1e-3 && size < 1e7 {
		text := strconv.FormatFloat(f, 'f', -1, 64)
		b = append(b, text...)
		if !strings.Contains(text, ".") {
			b = append(b, ".0"...)
		}
		return b
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'E', -1, 64), "E")
	b = append(b, mantissa...)
	if !strings.Contains(mantissa, ".") {
		b = append(b, ".0"...)
	}
	n, _ := strconv.Atoi(exponent)
	return strconv.AppendInt(append(b, 'E'), int64(n), 10)
}

func appendLine(b []byte, label string, n int64) []byte {
	return append(appendField(b, label, n), '\n')
}

func appendField(b []byte, label string, n int64) []byte {
	return strconv.AppendInt(append(b, label...), n, 10)
}

// appendHex writes the bits, as Java's Long.toHexString: -1 is ffffffffffffffff.
func appendHex(b []byte, n int64) []byte { return strconv.AppendUint(b, uint64(n), 16) }
