package config

import (
	"math"
	"net"
	"strconv"
	"time"
)

// Reasons that many keys share.
const (
	whyAlone = "only an ensemble uses it, and this version serves alone"
	whyTuned = "it tunes the insides of ZooKeeper, which this server does not have"
)

// maxMs is the longest time in milliseconds that ZooKeeper's int holds.
const maxMs = math.MaxInt32

func addressKeys() []Key {
	return []Key{
		{Name: "dataDir", Kind: KindPath, Default: "required in a file; without a file ./data",
			Meaning: "Directory of checkpoints, lock and identity; the data of a ZooKeeper in it " +
				"is never touched.",
			set: func(c *Config, v value) { c.DataDir = v.text }},
		{Name: "dataLogDir", Kind: KindPath, Default: "dataDir",
			Meaning: "Directory of the log; a disk of its own makes writes faster.",
			set:     func(c *Config, v value) { c.DataLogDir = v.text }},
		{Name: "clientPort", Kind: KindInt, Max: 65535,
			Default: "required in a file; without a file 2181",
			Meaning: "TCP port for clients; 0 takes a free one, which the log names.",
			set: func(c *Config, v value) {
				host, _, _ := net.SplitHostPort(c.ClientAddress)
				c.ClientAddress = net.JoinHostPort(host, strconv.FormatInt(v.number, 10))
			}},
		{Name: "clientPortAddress", Kind: KindAddress,
			Default: "all interfaces; without a file 127.0.0.1",
			Meaning: "Address that the client port listens on.",
			set: func(c *Config, v value) {
				_, port, _ := net.SplitHostPort(c.ClientAddress)
				c.ClientAddress = net.JoinHostPort(bareHost(v.text), port)
			}},
		{Name: "clientPortListenBacklog", Kind: KindInt, Min: -1, Max: math.MaxInt32, Default: "-1",
			Status: NoEffect, Why: "the kernel's own bound on waiting connections counts " +
				"(net.core.somaxconn)",
			Fine:    []string{"-1"},
			Meaning: "Connections that wait to be accepted; the word conf shows it."},
		{Name: "secureClientPort", Kind: KindInt, Max: 65535, Default: "none",
			Status: Refused, Why: whyNoTLS, Remedy: remedyTLSFront,
			Meaning: "TCP port for clients with TLS."},
		{Name: "secureClientPortAddress", Kind: KindAddress, Default: "all interfaces",
			Status: Refused, Why: whyNoTLS, Remedy: remedyTLSFront,
			Meaning: "Address that the port with TLS listens on."},
		{Name: "datadir.autocreate", Place: Anywhere, Kind: KindBool, Default: "true",
			Meaning: "false: a data directory that is missing stops the start instead of being " +
				"made.",
			set: func(c *Config, v value) { c.DataDirMustExist = !v.yes }},
		{Name: "db.autocreate", Place: Anywhere, Kind: KindBool, Default: "true", Status: NoEffect,
			Fine: []string{"true"},
			Why: "a disk has an identity here, so an empty one is never taken for the member's " +
				"own; a server alone starts empty on an empty directory",
			Meaning: "false: a server without data does not vote unless a file initialize is " +
				"there."},
		{Name: "readonlymode.enabled", Place: Unprefixed, Kind: KindBool, Default: "false",
			Status: NoEffect, Fine: []string{"false"},
			Why: "a server alone never loses a quorum; the word isro is answered, as in " +
				"ZooKeeper",
			Meaning: "Serves reads to clients that allow it while there is no quorum."},
		{Name: "clientTcpKeepAlive", Place: Anywhere, Kind: KindBool, Default: "true",
			Status: NoEffect, Fine: []string{"true"},
			Why:     "connections of clients always have TCP's keep-alive",
			Meaning: "Lets the kernel find clients that vanished."},
		{Name: "controllerPort", Place: Anywhere, Kind: KindInt, Max: 65535, Default: "none",
			Status: NoEffect, Why: "it belongs to ZooKeeper's own test harness",
			Meaning: "TCP port on which tests inject faults."},
	}
}

func limitKeys() []Key {
	return []Key{
		{Name: "tickTime", Kind: KindInt, Unit: "ms", Min: 1, Max: maxMs, Default: "3000",
			Meaning: "Unit of time of sessions; the bounds of session time-outs follow from it.",
			set:     func(c *Config, v value) { c.TickTime = v.duration() }},
		{Name: "minSessionTimeout", Kind: KindInt, Unit: "ms", Min: -1, Max: maxMs,
			Default: "2 ticks",
			Meaning: "Shortest session time-out; a client that asks for less gets this. -1 is " +
				"the default.",
			set: func(c *Config, v value) { c.MinSessionTimeout = timeoutOrDefault(v) }},
		{Name: "maxSessionTimeout", Kind: KindInt, Unit: "ms", Min: -1, Max: maxMs,
			Default: "20 ticks",
			Meaning: "Longest session time-out; a client that asks for more gets this. -1 is " +
				"the default.",
			set: func(c *Config, v value) { c.MaxSessionTimeout = timeoutOrDefault(v) }},
		{Name: "maxClientCnxns", Kind: KindInt, Min: -1, Max: math.MaxInt32, Default: "60",
			Meaning: "Connections from one IP address; one more is closed at once. 0 and -1 are " +
				"no limit.",
			set: func(c *Config, v value) { c.MaxClientConns = orUnlimited(v) }},
		{Name: "maxCnxns", Place: Anywhere, Kind: KindInt, Min: -1, Max: math.MaxInt32,
			Default: "0",
			Meaning: "Client connections in all; one more is closed at once. 0 and -1 are no " +
				"limit.",
			set: func(c *Config, v value) { c.MaxConns = orUnlimited(v) }},
		{Name: "nio.sessionlessCnxnTimeout", Place: Anywhere, Kind: KindInt, Unit: "ms", Min: 1,
			Max: maxMs, Default: "10000",
			Meaning: "A connection that opened no session by then is closed.",
			set:     func(c *Config, v value) { c.HandshakeTimeout = v.duration() }},
		{Name: "jute.maxbuffer", Place: Unprefixed, Kind: KindInt, Unit: "bytes",
			Min: minMaxBuffer, Max: maxMaxBuffer, Default: "1048575",
			Meaning: "Longest request; a longer one closes the connection. Clients have a " +
				"limit of their own for answers.",
			set: func(c *Config, v value) { c.MaxBuffer = int(v.number) }},
		{Name: "globalOutstandingLimit", Place: Anywhere, Kind: KindInt, Min: 1, Max: math.MaxInt32,
			Default: "1000",
			Meaning: "Requests taken in and not yet answered; above it clients are not read, " +
				"so they wait.",
			set: func(c *Config, v value) { c.MaxOutstanding = int(v.number) }},
		{Name: "jute.maxbuffer.extrasize", Place: Anywhere, Kind: KindInt, Unit: "bytes",
			Default: "jute.maxbuffer", Status: NoEffect,
			Why:     "what the server adds to a request is not counted against a limit",
			Meaning: "Room for what ZooKeeper adds to a request before it logs it."},
		{Name: "largeRequestMaxBytes", Place: Anywhere, Kind: KindInt, Unit: "bytes",
			Default: "104857600", Status: NoEffect, Why: whyBounded,
			Meaning: "Bytes of all large requests in flight."},
		{Name: "largeRequestThreshold", Place: Anywhere, Kind: KindInt, Unit: "bytes",
			Default: "-1", Status: NoEffect, Fine: []string{"-1"}, Why: whyBounded,
			Meaning: "Size from which a request counts as large; -1 turns it off."},
		{Name: "request.timeout", Place: Anywhere, Kind: KindInt, Unit: "ms", Default: "0",
			Status: NoEffect, Why: "it is a setting of the Java client",
			Meaning: "How long a Java client waits for an answer."},
	}
}

const whyBounded = "the bytes taken in are bounded per connection and in all, large or not"

// timeoutOrDefault keeps 0 for the default, as -1 is in the file. A 0 in the file is a bound of
// nothing: the shortest that is above zero, since Validate wants one.
func timeoutOrDefault(v value) time.Duration {
	switch v.number {
	case -1:
		return 0
	case 0:
		return value{number: 1}.duration()
	}
	return v.duration()
}

func orUnlimited(v value) int {
	if v.number <= 0 {
		return Unlimited
	}
	return int(v.number)
}

func bareHost(text string) string {
	if len(text) > 1 && text[0] == '[' && text[len(text)-1] == ']' {
		return text[1 : len(text)-1]
	}
	return text
}

const throttleText = "This version has no throttle for requests or connections: what it takes in " +
	"is bounded by globalOutstandingLimit, maxCnxns, maxClientCnxns and bytes per connection."

const whyNoThrottle = "there is no such throttle; globalOutstandingLimit, maxCnxns and bounded " +
	"buffers hold clients back"

func throttleKeys() []Key {
	row := func(name string, kind Kind, unit, def, meaning string, fine ...string) Key {
		return Key{Name: name, Place: Anywhere, Kind: kind, Unit: unit, Default: def, Fine: fine,
			Status: NoEffect, Why: whyNoThrottle, Meaning: meaning}
	}
	return []Key{
		row("request_throttle_max_requests", KindInt, "", "0",
			"Outstanding requests above which ZooKeeper stalls; 0 is off.", "0"),
		row("request_throttle_stall_time", KindInt, "ms", "100",
			"How long a stalled request waits."),
		row("request_throttle_drop_stale", KindBool, "", "true",
			"Drops requests whose connection is gone."),
		row("request_stale_latency_check", KindBool, "", "false",
			"Calls a request stale that waited longer than its session's time-out.", "false"),
		row("request_stale_connection_check", KindBool, "", "true",
			"Calls a request stale whose connection is gone."),
		row("request_throttler.shutdownTimeout", KindInt, "ms", "10000",
			"How long a shutdown waits for queued requests."),
		row("throttled_op_wait_time", KindInt, "ms", "0",
			"Requests that queued longer are answered with an error; 0 is off.", "0"),
		row("connection_throttle_tokens", KindInt, "", "0",
			"Size of the bucket of tokens for new connections; 0 is off.", "0"),
		row("connection_throttle_fill_time", KindInt, "ms", "1", "How often the bucket is filled."),
		row("connection_throttle_fill_count", KindInt, "", "1", "Tokens put in each time."),
		row("connection_throttle_freeze_time", KindInt, "ms", "-1",
			"How often the probability of dropping is adjusted; -1 is off.", "-1"),
		row("connection_throttle_drop_increase", KindFloat, "", "0.02",
			"Step up of the probability of dropping."),
		row("connection_throttle_drop_decrease", KindFloat, "", "0.002",
			"Step down of the probability of dropping."),
		row("connection_throttle_decrease_ratio", KindFloat, "", "0",
			"Share of tokens above which the probability goes down."),
		row("connection_throttle_weight_enabled", KindBool, "", "false",
			"Lets connections cost different numbers of tokens.", "false"),
		row("connection_throttle_global_session_weight", KindInt, "", "3",
			"Tokens that a new session costs."),
		row("connection_throttle_local_session_weight", KindInt, "", "1",
			"Tokens that a local session costs."),
		row("connection_throttle_renew_session_weight", KindInt, "", "2",
			"Tokens that a reconnect costs."),
		row("netty.server.outstandingHandshake.limit", KindInt, "", "-1",
			"TLS handshakes under way at once.", "-1"),
		row("netty.server.earlyDropSecureConnectionHandshakes", KindBool, "", "false",
			"Drops TLS connections before the handshake while the server starts.", "false"),
	}
}

func znodeKeys() []Key {
	return []Key{
		{Name: "extendedTypesEnabled", Place: Anywhere, Kind: KindBool,
			Default: "true (ZooKeeper: false)",
			Meaning: "Allows TTL nodes; false answers them with Unimplemented, as ZooKeeper's " +
				"default.",
			set: func(c *Config, v value) { c.ExtendedTypesDisabled = !v.yes }},
		{Name: "emulate353TTLNodes", Place: Anywhere, Kind: KindBool, Default: "false",
			Status: NoEffect, Fine: []string{"false"},
			Why:     "the format of TTL nodes of ZooKeeper 3.5.3 is in no client's protocol",
			Meaning: "Reads TTL nodes written by ZooKeeper 3.5.3."},
		{Name: "enforceQuota", Place: Anywhere, Kind: KindBool, Default: "false",
			Meaning: "Hard quotas refuse writes with QuotaExceeded and soft ones are warned of. " +
				"Without it quotas only count.",
			set: func(c *Config, v value) { c.EnforceQuota = v.yes }},
		{Name: "znode.container.checkIntervalMs", Place: Unprefixed, Kind: KindInt, Unit: "ms",
			Min: 1, Max: maxMs, Default: "60000",
			Meaning: "How often empty containers and expired TTL nodes are looked for.",
			set:     func(c *Config, v value) { c.ContainerCheckInterval = v.duration() }},
		{Name: "znode.container.maxPerMinute", Place: Unprefixed, Kind: KindInt, Min: 1,
			Max: math.MaxInt32, Default: "10000",
			Meaning: "Bound on how many of them are deleted in a minute.",
			set:     func(c *Config, v value) { c.ContainerMaxPerMinute = int(v.number) }},
		{Name: "znode.container.maxNeverUsedIntervalMs", Place: Unprefixed, Kind: KindInt,
			Unit: "ms", Max: math.MaxInt64 / 1_000_000, Default: "0",
			Meaning: "A container that never had a child is deleted after that time; 0 keeps it.",
			set:     func(c *Config, v value) { c.ContainerMaxNeverUsed = v.duration() }},
	}
}
