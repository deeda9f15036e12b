package protocol

import (
	"errors"
	"fmt"

	"github.com/vivariumdb/vivarium/wire"
)

// Config says how a Session behaves. Only Servers must be set.
type Config struct {
	// Servers are tried in this order, again and again. The driver shuffles them, so that not all
	// clients meet at the first.
	Servers []string

	// SessionTimeoutMs is asked for; the server may grant less or more. Default 10000.
	SessionTimeoutMs int32

	// ReadOnly accepts a server that has lost its ensemble: reads may be stale for long, writes
	// are refused with CodeNotReadOnly.
	ReadOnly bool

	// SessionID and Password take up a session that another Session began, and LastZxid is what
	// that one has seen. Default: a new session.
	SessionID int64
	Password  []byte
	LastZxid  int64

	// MaxRequests bounds the requests without an answer; Submit refuses more. Default 4096.
	MaxRequests int

	// MaxRequest bounds the payload of a request in bytes, as jute.maxbuffer does on the server,
	// which closes the connection on a longer one. Default 1048575.
	MaxRequest int

	// MaxReply bounds the payload of a reply in bytes; a longer one ends the connection.
	// Default 65 MiB, more than a server sends.
	MaxReply int

	// BackoffMinMs and BackoffMaxMs bound the pause after all servers were tried in vain; it
	// doubles with every round. Defaults 100 and 2000.
	BackoffMinMs int64
	BackoffMaxMs int64
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	if c.SessionTimeoutMs == 0 {
		c.SessionTimeoutMs = 10_000
	}
	if c.MaxRequests == 0 {
		c.MaxRequests = 4096
	}
	if c.MaxRequest == 0 {
		c.MaxRequest = wire.DefaultMaxBuffer
	}
	if c.MaxReply == 0 {
		c.MaxReply = 65 << 20
	}
	if c.BackoffMinMs == 0 {
		c.BackoffMinMs = 100
	}
	if c.BackoffMaxMs == 0 {
		c.BackoffMaxMs = max(2000, c.BackoffMinMs)
	}
	return c
}

// Validate reports all that is wrong with the configuration.
func (c Config) Validate() error {
	var faults []error
	if len(c.Servers) == 0 {
		faults = append(faults, errors.New("no server to connect to"))
	}
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"session time-out", int64(c.SessionTimeoutMs)},
		{"limit of requests", int64(c.MaxRequests)},
		{"limit of a request", int64(c.MaxRequest)},
		{"limit of a reply", int64(c.MaxReply)},
		{"least back-off", c.BackoffMinMs},
		{"longest back-off", c.BackoffMaxMs},
	} {
		if field.value < 0 {
			faults = append(faults, fmt.Errorf("%s: %d is negative", field.name, field.value))
		}
	}
	if c.BackoffMaxMs != 0 && c.BackoffMaxMs < c.BackoffMinMs {
		faults = append(faults, fmt.Errorf("longest back-off %d ms is below the least, %d ms",
			c.BackoffMaxMs, c.BackoffMinMs))
	}
	return errors.Join(faults...)
}
