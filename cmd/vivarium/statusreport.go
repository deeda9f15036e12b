package main

import (
	"fmt"
	"strings"

	"github.com/vivariumdb/vivarium/internal/printable"
	"github.com/vivariumdb/vivarium/server"
)

// statusReport is what status prints. What the words do not tell is left out.
type statusReport struct {
	Serving bool   `json:"serving"`
	Source  string `json:"source"` // socket or words
	Mode    string `json:"mode,omitempty"`
	Version string `json:"version,omitempty"`
	Address string `json:"address,omitempty"`

	PID         int            `json:"pid,omitempty"`
	ServerID    int64          `json:"serverId,omitempty"`
	UptimeMs    *int64         `json:"uptimeMs,omitempty"`
	Connections *int64         `json:"connections,omitempty"`
	Sessions    *int64         `json:"sessions,omitempty"`
	Watches     *int64         `json:"watches,omitempty"`
	Outstanding *int64         `json:"outstanding,omitempty"`
	Znodes      *int64         `json:"znodes,omitempty"`
	Ephemerals  *int64         `json:"ephemerals,omitempty"`
	Containers  *int64         `json:"containers,omitempty"`
	TTLs        *int64         `json:"ttls,omitempty"`
	Zxid        string         `json:"zxid,omitempty"`
	DataBytes   *int64         `json:"dataBytes,omitempty"`
	LatencyMs   *latencyReport `json:"latencyMs,omitempty"`
	FsyncMs     *latencyReport `json:"fsyncMs,omitempty"`
	NoSync      bool           `json:"noSync,omitempty"`

	Storage *server.Storage `json:"storage,omitempty"`
	Notices []string        `json:"notices,omitempty"`
	// Error says why it does not serve.
	Error string `json:"error,omitempty"`
}

// latencyReport sums up times in ms.
type latencyReport struct {
	Min float64 `json:"min"`
	Avg float64 `json:"avg"`
	Max float64 `json:"max"`
}

// reportOf is what a server of ours has told.
func reportOf(st *server.Status) *statusReport {
	number := func(n int) *int64 { v := int64(n); return &v }
	r := &statusReport{Serving: st.Serving, Source: "socket", Mode: st.Mode,
		Version: fmt.Sprintf("Vivarium %s (commit %s)", st.Release, orUnknown(st.Commit)),
		Address: st.Address, PID: st.PID, ServerID: st.ServerID, UptimeMs: &st.UptimeMs,
		Connections: number(st.Connections), Sessions: number(st.Sessions),
		Watches: number(st.Watches), Outstanding: number(st.Outstanding),
		Znodes: number(st.Znodes), Ephemerals: number(st.Ephemerals),
		Containers: number(st.Containers), TTLs: number(st.TTLs), Zxid: st.Zxid,
		DataBytes: &st.DataBytes, NoSync: st.NoSync, Storage: &st.Storage,
		LatencyMs: latencyOf(st.LatencyMs), FsyncMs: latencyOf(st.FsyncMs)}
	switch {
	case st.Serving:
	case st.Stopping:
		r.Error = "it is stopping"
	default:
		r.Error = "it is starting"
	}
	if st.NoSync {
		r.Notices = append(r.Notices, "unsafe: forceSync=no acknowledges writes that a power "+
			"failure will lose")
	}
	return r
}

// latencyOf is nil if there is none yet.
func latencyOf(m server.MinAvgMax) *latencyReport {
	if m.Count == 0 {
		return nil
	}
	return &latencyReport{Min: float64(m.Min), Avg: m.Avg, Max: float64(m.Max)}
}

// String is the report for people. What a server says by words may be a stranger's: it is shown
// so that it can do nothing to a terminal.
func (r *statusReport) String() string {
	state := "serving"
	if !r.Serving {
		state = "not serving, " + r.Error
	}
	head := state + ": " + printable.Text(r.Mode)
	if r.Version != "" {
		head += ", " + printable.Text(r.Version)
	}
	head += ", on " + r.Address
	if r.UptimeMs != nil {
		head += ", up " + span(*r.UptimeMs)
	}
	if r.PID != 0 {
		head += fmt.Sprintf(", pid %d", r.PID)
	}
	lines := []string{head}
	add := func(name string, parts ...string) {
		known := make([]string, 0, len(parts))
		for _, part := range parts {
			if part != "" {
				known = append(known, part)
			}
		}
		if len(known) > 0 {
			lines = append(lines, fmt.Sprintf("  %-9s %s", name, strings.Join(known, ", ")))
		}
	}
	add("clients", count(r.Connections, "connections"), count(r.Sessions, "sessions"),
		count(r.Watches, "watches"), count(r.Outstanding, "requests waiting"))
	zxid := ""
	if r.Zxid != "" {
		zxid = "last zxid " + printable.Text(r.Zxid)
	}
	add("data", r.nodes(), bytesOf(r.DataBytes, "of data"), zxid)
	if st := r.Storage; st != nil {
		add("storage", storageText(st)...)
	}
	add("latency", r.LatencyMs.text("requests"), r.FsyncMs.text("syncs of the log"))
	for _, n := range r.Notices {
		add("notice", n)
	}
	return strings.Join(lines, "\n")
}

// nodes counts znodes and their kinds.
func (r *statusReport) nodes() string {
	text := count(r.Znodes, "znodes")
	kinds := make([]string, 0, 3)
	for _, kind := range []string{count(r.Ephemerals, "ephemeral"),
		count(r.Containers, "containers"), count(r.TTLs, "with a time to live")} {
		if kind != "" {
			kinds = append(kinds, kind)
		}
	}
	if text != "" && len(kinds) > 0 {
		text += " (" + strings.Join(kinds, ", ") + ")"
	}
	return text
}

func count(n *int64, what string) string {
	if n == nil {
		return ""
	}
	return fmt.Sprintf("%d %s", *n, what)
}

func bytesOf(n *int64, what string) string {
	if n == nil {
		return ""
	}
	return size(*n) + " " + what
}

// text says the times of what.
func (l *latencyReport) text(what string) string {
	if l == nil {
		return ""
	}
	return fmt.Sprintf("%s min %g, avg %.3g, max %g ms", what, l.Min, l.Avg, l.Max)
}

// storageText says what lies on the disk, and what a start would replay.
func storageText(st *server.Storage) []string {
	where := fmt.Sprintf("%s in %s", size(st.DataDirBytes), st.DataDir)
	if st.DataLogDir != st.DataDir {
		where += fmt.Sprintf(" and %s in %s", size(st.LogDirBytes), st.DataLogDir)
	}
	parts := []string{where}
	if st.FreeBytes > 0 {
		parts = append(parts, size(int64(min(st.FreeBytes, 1<<62)))+" free")
	}
	behind := fmt.Sprintf("%d entries of the log since", st.AppliedIndex-st.SavedIndex)
	if st.SavedAgeMs < 0 {
		return append(parts, "state not saved since the start", behind+" the last time")
	}
	return append(parts, "state saved "+span(st.SavedAgeMs)+" ago", behind)
}
