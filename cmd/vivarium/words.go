package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// maxWordAnswer bounds the answer to a four-letter word; those that are asked here are short.
const maxWordAnswer = 1 << 20

// Texts that a server answers in place of what was asked.
const (
	wordRefused = "is not executed because it is not in the whitelist"
	wordTooSoon = "is not currently serving requests"
)

var (
	errWordRefused = errors.New("the server's 4lw.commands.whitelist does not name it")
	errWordTooSoon = errors.New("the server is up and serves nobody")
)

// askWord sends a four-letter word to a server, ours or ZooKeeper's, and returns the answer.
func askWord(ctx context.Context, addr, word string) (string, error) {
	var dialer net.Dialer
	nc, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer nc.Close()
	if until, ok := ctx.Deadline(); ok {
		if err := nc.SetDeadline(until); err != nil {
			return "", err
		}
	}
	if _, err := io.WriteString(nc, word); err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(nc, maxWordAnswer))
	text := string(b)
	switch {
	case strings.Contains(text, wordRefused):
		return "", errWordRefused
	case strings.Contains(text, wordTooSoon):
		return "", errWordTooSoon
	case text == "" && err == nil:
		return "", errors.New("the connection was closed without an answer")
	case text == "":
		return "", fmt.Errorf("no answer: %w", err)
	}
	return text, nil // an answer that was cut off shows in what is missing
}

// statusByWords asks a server what srvr and mntr say. One of the two is enough: either may be
// left out of the whitelist.
func statusByWords(ctx context.Context, addr string) (*statusReport, error) {
	srvr, errSrvr := askWord(ctx, addr, "srvr")
	if errSrvr != nil && !errors.Is(errSrvr, errWordRefused) {
		return nil, errSrvr
	}
	mntr, errMntr := askWord(ctx, addr, "mntr")
	if errSrvr != nil && errMntr != nil {
		return nil, fmt.Errorf("srvr: %w", errSrvr)
	}
	r := &statusReport{Serving: true, Source: "words", Address: addr}
	r.addSrvr(srvr)
	r.addMntr(mntr)
	if r.Mode == "" {
		return nil, fmt.Errorf("%w: %.60q", errNotZooKeeper, srvr+mntr)
	}
	if errMntr != nil {
		r.Notices = append(r.Notices, "sessions, watches, uptime and sizes are not known: mntr: "+
			errMntr.Error())
	}
	return r, nil
}

var errNotZooKeeper = errors.New("that is no answer of a ZooKeeper or a Vivarium")

// addSrvr takes what srvr says. What does not parse stays unknown.
func (r *statusReport) addSrvr(text string) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "Zookeeper version":
			r.Version = "version " + value
		case "Latency min/avg/max":
			r.LatencyMs = parseLatency(value)
		case "Connections":
			r.Connections = parseCount(value)
		case "Outstanding":
			r.Outstanding = parseCount(value)
		case "Zxid":
			r.Zxid = value
		case "Mode":
			r.Mode = value
		case "Node count":
			r.Znodes = parseCount(value)
		}
	}
}

// addMntr takes what mntr says and srvr does not.
func (r *statusReport) addMntr(text string) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "\t")
		switch key {
		case "zk_version":
			r.Version = "version " + value
		case "zk_server_state":
			r.Mode = value
		case "zk_num_alive_connections":
			r.Connections = parseCount(value)
		case "zk_outstanding_requests":
			r.Outstanding = parseCount(value)
		case "zk_znode_count":
			r.Znodes = parseCount(value)
		case "zk_uptime":
			r.UptimeMs = parseCount(value)
		case "zk_watch_count":
			r.Watches = parseCount(value)
		case "zk_ephemerals_count":
			r.Ephemerals = parseCount(value)
		case "zk_global_sessions":
			r.Sessions = parseCount(value)
		case "zk_approximate_data_size":
			r.DataBytes = parseCount(value)
		}
	}
}

func parseCount(text string) *int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// parseLatency reads "min/avg/max" in ms.
func parseLatency(text string) *latencyReport {
	var l latencyReport
	parts := strings.Split(strings.TrimSpace(text), "/")
	if len(parts) != 3 {
		return nil
	}
	for i, to := range []*float64{&l.Min, &l.Avg, &l.Max} {
		v, err := strconv.ParseFloat(parts[i], 64)
		if err != nil {
			return nil
		}
		*to = v
	}
	return &l
}

// span is a duration as people read it.
func span(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	const day = 24 * time.Hour
	switch {
	case d >= day:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	case d >= time.Minute:
		d = d.Round(time.Second)
	case d >= time.Second:
		d = d.Round(100 * time.Millisecond)
	}
	if text, whole := strings.CutSuffix(d.String(), "m0s"); whole {
		return text + "m"
	}
	return d.String()
}

// size is a number of bytes as people read it.
func size(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefix := float64(n), -1
	for value >= unit && prefix < 4 {
		value /= unit
		prefix++
	}
	return fmt.Sprintf("%.1f %cB", value, "kMGTP"[prefix])
}
