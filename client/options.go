package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/vivariumdb/vivarium/client/protocol"
	"github.com/vivariumdb/vivarium/wire"
)

// Options says whom a Client talks to and how. Only Servers must be set.
type Options struct {
	// Servers is the connect string: host:port,host:port and so on, and perhaps a path, below which
	// all paths of this client then are ("chroot"; it must exist). The port is 2181 if left out.
	Servers string

	// SessionTimeout is how long the servers keep the session, and what is tied to it, without a
	// word from this client. The server may grant less or more. Default 10 s.
	SessionTimeout time.Duration

	// ReadOnly accepts a server that has lost its ensemble. Reads may then be stale for long, and
	// writes fail with ErrNotReadOnly. Such a server is not left until its connection ends.
	ReadOnly bool

	// Auth is shown to every server, as if handed to AddAuth.
	Auth []Auth

	// MaxRequests bounds the calls that wait for a reply; more wait their turn. Default 1000.
	MaxRequests int

	// MaxRequest bounds a request in bytes: set it to the servers' jute.maxbuffer. Default 1048575.
	MaxRequest int

	// WatchBuffer is how many events a watch keeps for its reader. Default 64.
	WatchBuffer int

	// DialServer connects to a server, host:port. Default: TCP. Use it for TLS. It returns when ctx
	// ends: no other server is tried before that, and Close waits for it.
	DialServer func(ctx context.Context, server string) (net.Conn, error)
}

// Auth is an identity and its proof, such as digest and user:password.
type Auth struct {
	Scheme string
	Auth   []byte
}

// withDefaults fills in what is zero.
func (o Options) withDefaults() Options {
	if o.SessionTimeout == 0 {
		o.SessionTimeout = 10 * time.Second
	}
	if o.MaxRequests == 0 {
		o.MaxRequests = 1000
	}
	if o.MaxRequest == 0 {
		o.MaxRequest = wire.DefaultMaxBuffer
	}
	if o.WatchBuffer == 0 {
		o.WatchBuffer = 64
	}
	if o.DialServer == nil {
		dialer := new(net.Dialer)
		o.DialServer = func(ctx context.Context, server string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", server)
		}
	}
	o.Auth = slices.Clone(o.Auth)
	return o
}

// Validate reports all that is wrong with the options.
func (o Options) Validate() error {
	var faults []error
	if _, _, err := ParseServers(o.Servers); err != nil {
		faults = append(faults, err)
	}
	if ms := o.SessionTimeout.Milliseconds(); ms < 0 || ms > math.MaxInt32 {
		faults = append(faults, fmt.Errorf("session time-out %v: from 0 to 24 days are possible",
			o.SessionTimeout))
	}
	for _, field := range []struct {
		name  string
		value int
	}{
		{"MaxRequests", o.MaxRequests},
		{"MaxRequest", o.MaxRequest},
		{"WatchBuffer", o.WatchBuffer},
	} {
		if field.value < 0 {
			faults = append(faults, fmt.Errorf("%s: %d is negative", field.name, field.value))
		}
	}
	return errors.Join(faults...)
}

// config makes the configuration of the protocol half.
func (o Options) config(servers []string) protocol.Config {
	return protocol.Config{
		Servers:          servers,
		SessionTimeoutMs: int32(max(o.SessionTimeout.Milliseconds(), 1)),
		ReadOnly:         o.ReadOnly,
		MaxRequest:       o.MaxRequest,
		MaxRequests:      math.MaxInt, // Client.slots bounds them
	}
}

// ParseServers takes a connect string apart into servers with their ports and the path below
// which the client lives, "" if that is the root.
func ParseServers(connect string) (servers []string, chroot string, err error) {
	fault := func(what string) error {
		return fmt.Errorf("connect string %q: %s; write host:port,host:port/path", connect, what)
	}
	hosts := connect
	if at := strings.IndexByte(connect, '/'); at >= 0 {
		if strings.Contains(connect[at:], "//") {
			return nil, "", fault("an empty name in the path")
		}
		hosts, chroot = connect[:at], strings.TrimSuffix(connect[at:], "/")
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if host = strings.TrimSpace(host); host == "" {
			continue
		}
		switch colon := strings.LastIndexByte(host, ':'); {
		case strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]"), colon < 0:
			host += ":2181"
		case host[0] != '[' && strings.Count(host, ":") > 1:
			host = "[" + host + "]:2181" // an IPv6 address without a port
		case colon == 0 || colon == len(host)-1:
			return nil, "", fault("host or port missing in " + host)
		}
		servers = append(servers, host)
	}
	if len(servers) == 0 {
		return nil, "", fault("no host in it")
	}
	return servers, chroot, nil
}
