package load

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vivariumdb/vivarium/wire"
)

// Workload names what is asked of the service.
type Workload string

// The workloads.
const (
	Read     Workload = "read"     // getData of znodes at random
	Write    Workload = "write"    // setData of znodes at random
	Mixed    Workload = "mixed"    // both, Options.WritePercent of them writes
	Create   Workload = "create"   // create of znodes with names of their own
	Multi    Workload = "multi"    // setData of Options.MultiOps znodes in one transaction
	Lists    Workload = "lists"    // getChildren2 of a znode with Options.Nodes children
	Watches  Workload = "watches"  // one change, an event on each connection; an event counts
	Connects Workload = "connects" // connect, open a session, close it
	Idle     Workload = "idle"     // sessions that do nothing; a session counts
)

// Workloads lists all of them.
func Workloads() []Workload {
	return []Workload{Read, Write, Mixed, Create, Multi, Lists, Watches, Connects, Idle}
}

// paced says whether the workload can be an open loop.
func (w Workload) paced() bool {
	return w != Watches && w != Connects && w != Idle
}

// Options says what to do. Zero fields take the defaults, which are in brackets.
type Options struct {
	// Servers are the addresses, host:port; connections are spread over them in turn.
	// [127.0.0.1:2181]
	Servers []string
	// Workload is what is asked of them. [read]
	Workload Workload
	// Connections is how many there are, each with a session. [16]
	Connections int
	// Pipeline is how many requests each connection keeps in flight in a closed loop, at most
	// MaxPipeline. An open loop ignores it. [16]
	Pipeline int
	// Rate is how many operations a second are due over all connections. 0 is a closed loop.
	Rate float64
	// Nodes is how many znodes there are to be read and written. [10000]
	Nodes int
	// ValueBytes is the length of their values. [1024]
	ValueBytes int
	// WritePercent is the share of writes of the workload mixed. [10]
	WritePercent int
	// MultiOps is the number of operations in a transaction. [4]
	MultiOps int
	// Count ends the workload create after so many in all; 0 is by time.
	Count int
	// Warmup passes before anything is counted, NoWarmup is none; Duration is how long is
	// counted. [1s, 5s]
	Warmup, Duration time.Duration
	// SessionTimeout is asked for by each connection. Sessions that are not busy are kept
	// alive. [30s]
	SessionTimeout time.Duration
	// Pids are the server's processes on this machine, whose CPU and memory are to be read.
	Pids []int
	// Keep leaves the znodes behind.
	Keep bool
}

// NoWarmup is the Options.Warmup of a run that counts from its beginning.
const NoWarmup time.Duration = -1

// Limits that keep memory and descriptors within reason.
const (
	MaxConnections = 100_000
	MaxPipeline    = 4096
	maxNodes       = 10_000_000
	maxMultiOps    = 1000
)

// Servers take no request longer than jute.maxbuffer, and break the connection. What a request
// is besides its values is less than frameRoom, and what an operation of a multi is besides its
// value less than opRoom.
const (
	frameRoom = 1 << 10
	opRoom    = 128
	maxValue  = wire.DefaultMaxBuffer - frameRoom
)

// withDefaults fills in what is zero.
func (o Options) withDefaults() Options {
	if len(o.Servers) == 0 {
		o.Servers = []string{"127.0.0.1:2181"}
	}
	if o.Workload == "" {
		o.Workload = Read
	}
	for _, field := range []struct {
		value *int
		def   int
	}{
		{&o.Connections, 16}, {&o.Pipeline, 16}, {&o.Nodes, 10_000}, {&o.ValueBytes, 1024},
		{&o.WritePercent, 10}, {&o.MultiOps, 4},
	} {
		if *field.value == 0 {
			*field.value = field.def
		}
	}
	for _, field := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&o.Warmup, time.Second}, {&o.Duration, 5 * time.Second},
		{&o.SessionTimeout, 30 * time.Second},
	} {
		if *field.value == 0 {
			*field.value = field.def
		}
	}
	return o
}

// Validate names all that cannot be done.
func (o Options) Validate() error {
	o = o.withDefaults()
	var faults []error
	if !slices.Contains(Workloads(), o.Workload) {
		faults = append(faults, fmt.Errorf("workload %q: %v are known", o.Workload, Workloads()))
	}
	for _, field := range []struct {
		name             string
		value, low, high int
	}{
		{"connections", o.Connections, 1, MaxConnections},
		{"pipeline", o.Pipeline, 1, MaxPipeline},
		{"nodes", o.Nodes, 1, maxNodes},
		{"value bytes", o.ValueBytes, 1, maxValue},
		{"percentage of writes", o.WritePercent, 1, 99},
		{"operations in a multi", o.MultiOps, 1, maxMultiOps},
		{"count", o.Count, 0, maxNodes},
	} {
		if field.value < field.low || field.value > field.high {
			faults = append(faults, fmt.Errorf("%s %d: %d to %d are allowed",
				field.name, field.value, field.low, field.high))
		}
	}
	if o.Workload == Multi && o.MultiOps > maxValue/(o.ValueBytes+opRoom) {
		faults = append(faults, errors.New("a multi over 1 MiB: servers refuse longer requests"))
	}
	if !(o.Rate >= 0 && o.Rate <= 1e7) { // nor is it NaN
		faults = append(faults, fmt.Errorf("rate %g: 0 to 10 million a second", o.Rate))
	}
	if o.Rate > 0 && !o.Workload.paced() {
		faults = append(faults, fmt.Errorf("workload %s has no open loop: leave the rate out",
			o.Workload))
	}
	if o.Count > 0 && (o.Workload != Create || o.Rate > 0) {
		faults = append(faults, errors.New("a count is for the workload create in a closed loop"))
	}
	if o.Warmup < NoWarmup || o.Duration < 0 || o.SessionTimeout < time.Second {
		faults = append(faults, errors.New("a time is negative, or a session shorter than 1 s"))
	}
	return errors.Join(faults...)
}
