// Package config reads the configuration of a server: ZooKeeper's own files and Java properties.
//
// Think of it as three steps. The sources (zoo.cfg, the dynamic file, myid, -D name=value and
// SERVER_JVMFLAGS) become settings, each with the place it was written at. The table of keys
// (Keys) judges each setting: it works, it is accepted without effect, or it is refused. What
// works lands in Config, a plain struct; everything a person should be told becomes a Notice or,
// if the server must not start, a Fault. All faults are reported together.
//
// The package decides and does nothing: it opens no file but through Sources.ReadFile, logs
// nothing, and never puts the value of a secret into a text. The caller logs each Notice once.
//
// docs/CONFIGURATION.md is generated from the same table: go generate ./server/config.
package config

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/vivariumdb/vivarium/core"
)

//go:generate go test -run TestDocument -rewrite .

// Unlimited, in a field that bounds something, says that nothing is bounded. In zoo.cfg it is
// written 0; here 0 is the default, so that the zero Config works.
const Unlimited = -1

// Config is what a server needs to know. The zero value works once WithDefaults filled it.
// Every field is used by the server: a key that nothing reads yet has no field.
type Config struct {
	// File is the configuration file it came from, "" if there was none.
	File string

	// DataDir holds checkpoints, the lock and the member's identity. Default ./data.
	DataDir string
	// DataLogDir holds the log's segments. Default: DataDir. A disk of its own helps latency.
	DataLogDir string
	// DataDirMustExist refuses a data directory that is not there, instead of making it
	// (datadir.autocreate=false): a mistyped path must not start an empty server.
	DataDirMustExist bool

	// ClientAddress is the host:port that clients connect to; without a host, all interfaces.
	// Default 127.0.0.1:2181.
	ClientAddress string
	// ListenBacklog is only shown by the word conf: the kernel's own bound counts. Default -1.
	ListenBacklog int
	// ServerID is N of myid, 0 if there is none.
	ServerID int64

	// TickTime is the unit of session time-outs. Default 3 s.
	TickTime time.Duration
	// MinSessionTimeout and MaxSessionTimeout clamp what clients ask for. Default 2 and 20 ticks.
	MinSessionTimeout, MaxSessionTimeout time.Duration
	// HandshakeTimeout closes a connection that has no session by then. Default 10 s.
	HandshakeTimeout time.Duration

	// MaxClientConns bounds the connections from one IP address. Default 60; or Unlimited.
	MaxClientConns int
	// MaxConns bounds all client connections. Default Unlimited.
	MaxConns int
	// MaxBuffer bounds one request in bytes (jute.maxbuffer). Default 1048575.
	MaxBuffer int
	// MaxOutstanding bounds the requests taken in and not yet answered; above it the server
	// reads no more from its clients. Default 1000.
	MaxOutstanding int

	// EnforceQuota makes hard quotas refuse writes; otherwise a quota only counts and warns.
	EnforceQuota bool
	// ExtendedTypesDisabled refuses TTL nodes, as ZooKeeper does unless told otherwise.
	ExtendedTypesDisabled bool
	// ContainerCheckInterval is how often empty containers and dead TTL nodes are looked for.
	// Default 1 min.
	ContainerCheckInterval time.Duration
	// ContainerMaxPerMinute bounds how many of them are deleted. Default 10000.
	ContainerMaxPerMinute int
	// ContainerMaxNeverUsed deletes a container that never had a child after that time;
	// 0 leaves it alone.
	ContainerMaxNeverUsed time.Duration

	// DigestAuthDisabled takes the scheme digest away from clients.
	DigestAuthDisabled bool
	// DigestAlgorithm hashes digest credentials: one of core.DigestAlgorithms. Default SHA1.
	DigestAlgorithm string
	// SuperDigest is "super:<base64 of the hash>" of who may do everything; "" is nobody.
	SuperDigest Secret
	// SkipACL lets everybody do everything. Unsafe.
	SkipACL bool
	// ReconfigEnabled decides which error a reconfig is answered with.
	ReconfigEnabled bool

	// NoSync does not wait for the disk before it acknowledges (forceSync=no). Unsafe.
	NoSync bool
	// FsyncWarning is how long a sync of the log may take before it is logged. Default 1 s.
	FsyncWarning time.Duration

	// FourLetterWords are those that are answered; "*" stands for all. Default srvr alone.
	FourLetterWords []string
}

// Defaults is the configuration of a server that was given none: data below ./data, reachable
// from this machine only.
func Defaults() *Config {
	c := &Config{}
	c.WithDefaults()
	return c
}

// WithDefaults fills every field that is zero and whose zero is not already its meaning.
func (c *Config) WithDefaults() {
	orString(&c.DataDir, "./data")
	orString(&c.DataLogDir, c.DataDir)
	orString(&c.ClientAddress, "127.0.0.1:2181")
	orInt(&c.ListenBacklog, -1)
	orDuration(&c.TickTime, 3*time.Second)
	orDuration(&c.MinSessionTimeout, 2*c.TickTime)
	orDuration(&c.MaxSessionTimeout, 20*c.TickTime)
	orDuration(&c.HandshakeTimeout, 10*time.Second)
	orInt(&c.MaxClientConns, 60)
	orInt(&c.MaxConns, Unlimited)
	orInt(&c.MaxBuffer, 1048575)
	orInt(&c.MaxOutstanding, 1000)
	orDuration(&c.ContainerCheckInterval, time.Minute)
	orInt(&c.ContainerMaxPerMinute, 10000)
	orString(&c.DigestAlgorithm, "SHA1")
	orDuration(&c.FsyncWarning, time.Second)
	if c.FourLetterWords == nil {
		c.FourLetterWords = []string{"srvr"}
	}
}

// Validate reports everything that cannot be served; the error is of type Faults. Load has
// called it; it is for who builds a Config by hand.
func (c *Config) Validate() error {
	var faults Faults
	bad := func(key, value, problem string) {
		faults = append(faults, Fault{Key: key, Value: value, Problem: problem})
	}
	if _, port, err := net.SplitHostPort(c.ClientAddress); err != nil || !isPort(port) {
		bad("clientPort", c.ClientAddress, "not a host and a port from 0 to 65535")
	}
	if c.DataDir == "" {
		bad("dataDir", "", "not set")
	}
	if c.TickTime <= 0 {
		bad("tickTime", c.TickTime.String(), "not above 0")
	}
	if c.MinSessionTimeout <= 0 {
		bad("minSessionTimeout", ms(c.MinSessionTimeout), "not above 0")
	}
	if c.MinSessionTimeout > c.MaxSessionTimeout {
		bad("minSessionTimeout", ms(c.MinSessionTimeout), fmt.Sprintf(
			"larger than maxSessionTimeout, which is %s", ms(c.MaxSessionTimeout)))
	}
	if c.MaxSessionTimeout.Milliseconds() > maxMs {
		bad("maxSessionTimeout", ms(c.MaxSessionTimeout), fmt.Sprintf(
			"above %d, which is the most that a client can be told; it is 20 ticks unless set",
			maxMs))
	}
	if c.MaxBuffer < minMaxBuffer {
		bad("jute.maxbuffer", strconv.Itoa(c.MaxBuffer),
			fmt.Sprintf("below %d, no handshake would fit", minMaxBuffer))
	}
	if c.MaxBuffer > maxMaxBuffer {
		bad("jute.maxbuffer", strconv.Itoa(c.MaxBuffer),
			fmt.Sprintf("above %d, a request would not fit into a record of the log", maxMaxBuffer))
	}
	if !slices.Contains(core.DigestAlgorithms, c.DigestAlgorithm) {
		bad("DigestAuthenticationProvider.digestAlg", c.DigestAlgorithm,
			"not known; allowed: "+orList(core.DigestAlgorithms))
	}
	if len(faults) == 0 {
		return nil
	}
	return faults
}

// Secret is a text that is not to be seen: it prints as (hidden), whatever prints it.
type Secret string

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// String hides the text.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// Format hides the text from every verb, %#v and %x included.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText hides the text from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

const hidden = "(hidden)"

// minMaxBuffer is the least jute.maxbuffer that a session can be opened with.
const minMaxBuffer = 64

// maxMaxBuffer is the largest jute.maxbuffer: a record of the log holds twice as much, and so a
// request of that size with all that goes with it.
const maxMaxBuffer = 1 << 29

func ms(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n <= 65535
}

func orString(p *string, value string) {
	if *p == "" {
		*p = value
	}
}

func orInt(p *int, value int) {
	if *p == 0 {
		*p = value
	}
}

func orDuration(p *time.Duration, value time.Duration) {
	if *p == 0 {
		*p = value
	}
}
