package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/vivariumdb/vivarium/client/load"
	"github.com/vivariumdb/vivarium/wire"
)

// A loading is one line of the table: arguments of `vivarium bench`.
type loading struct {
	name string
	args []string
	null bool // the null server can do it too
}

// loads are those of the goals, then those that only describe.
var loads = []loading{
	{"read 16x16", []string{"read"}, true},
	{"read 128x1", []string{"read", "-c", "128", "-p", "1"}, true},
	{"write 16x16", []string{"write"}, true},
	{"write 128x1", []string{"write", "-c", "128", "-p", "1"}, true},
	{"mixed 16x16", []string{"mixed"}, true},
	{"mixed 128x1", []string{"mixed", "-c", "128", "-p", "1"}, true},
	{"mixed at 5000/s", []string{"mixed", "-r", "5000"}, true},
	{"read 1x1", []string{"read", "-c", "1", "-p", "1"}, true},
	{"write 1x1", []string{"write", "-c", "1", "-p", "1"}, true},
	{"create 16x16", []string{"create"}, false},
	{"multi of 4 16x16", []string{"multi"}, false},
	{"list of 10,000 16x1", []string{"lists", "-p", "1"}, false},
	{"watches 1000", []string{"watches", "-c", "1000"}, false},
	{"connects 16", []string{"connects"}, true},
}

// row is what was measured of one loading, by server and round.
type row struct {
	loading
	results map[string][]*load.Result
}

// measure puts each load on each server in each round.
func (b *bench) measure(ctx context.Context) ([]row, error) {
	var rows []row
	for _, l := range loads {
		if !b.only.MatchString(l.name) {
			continue
		}
		r := row{l, map[string][]*load.Result{}}
		for range b.rounds {
			for _, s := range b.servers {
				if s.name == nullServer && !l.null {
					continue
				}
				result, err := b.put(ctx, s, b.duration, l.args...)
				if err != nil {
					return nil, fmt.Errorf("%s on %s: %w", l.name, s.name, err)
				}
				r.results[s.name] = append(r.results[s.name], result)
			}
		}
		rows = append(rows, r)
		fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(b.began).Seconds(), r.line())
	}
	if len(rows) == 0 {
		return nil, errors.New("-only fits no load")
	}
	return rows, nil
}

// put puts one load on one server, from a process of its own.
func (b *bench) put(ctx context.Context, s *server, d time.Duration,
	args ...string) (*load.Result, error) {
	args = slices.Concat([]string{"bench", "-o", "json", "-s", s.address,
		"--pid", strconv.Itoa(s.cmd.Process.Pid), "-d", d.String(),
		"--warmup", b.warmup.String()}, args)
	out, err := b.output(ctx, b.bin("vivarium"), args...)
	if err != nil {
		return nil, err
	}
	var r load.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		return nil, err
	}
	if r.Errors > 0 {
		err = fmt.Errorf("%d requests failed, the first by %s", r.Errors, r.FirstError)
	}
	return &r, err
}

// warmUp lets Java compile what it is going to need.
func (b *bench) warmUp(ctx context.Context) error {
	for _, s := range b.servers {
		d := b.jvm / 4
		if s.name != zooKeeper {
			d = time.Second
		}
		for _, w := range []string{"read", "write", "mixed", "create"} {
			if s.name == nullServer && w == "create" {
				continue
			}
			if _, err := b.put(ctx, s, d, w); err != nil {
				return fmt.Errorf("warm %s up: %w", s.name, err)
			}
		}
	}
	return nil
}

// opens says whether the server opens a session. It is closed again.
func opens(address string) bool {
	nc, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(5 * time.Second))
	q := wire.ConnectRequest{TimeoutMs: 4000, Password: make([]byte, wire.PasswordLen)}
	b, at := wire.BeginFrame(nil)
	if _, err := nc.Write(wire.EndFrame(q.AppendTo(b), at)); err != nil {
		return false
	}
	n, err := nc.Read(make([]byte, 64))
	if err != nil || n == 0 {
		return false
	}
	b, at = wire.BeginFrame(nil)
	header := wire.RequestHeader{Xid: 1, Op: wire.OpCloseSession}
	nc.Write(wire.EndFrame(header.AppendTo(b), at))
	nc.Read(make([]byte, 64))
	return true
}
