package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/sim"
)

// report is what -o json prints of many worlds, or of one.
type report struct {
	Seed       uint64    `json:"seed"` // of the one world
	Knobs      string    `json:"knobs,omitempty"`
	Trace      string    `json:"trace,omitempty"`
	Worlds     int       `json:"worlds"`
	PerCPUHour float64   `json:"worldsPerCPUHour,omitempty"`
	Speed      float64   `json:"simulatedPerRealSecond,omitempty"`
	Failed     []uint64  `json:"failed"` // seeds with violations
	Violations []finding `json:"violations,omitempty"`
	Counters   []spread  `json:"counters"`
	FaultKinds int       `json:"kindsOfFault"` // that struck
}

// spread is how a counter is spread over the worlds.
type spread struct {
	Name   string `json:"name"`
	Worlds int    `json:"worlds"` // in which it is not 0
	Total  int64  `json:"total"`
	Least  int64  `json:"least"`
	Median int64  `json:"median"`
	P90    int64  `json:"p90"`
	P99    int64  `json:"p99"`
	Most   int64  `json:"most"`
	In     uint64 `json:"mostIn"` // the least seed of a world with the most
}

func (r *report) write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// gather turns verdicts into a report.
func gather(verdicts []*verdict) *report {
	r := &report{Worlds: len(verdicts), Failed: []uint64{}}
	var virtual, nanos int64
	for _, v := range verdicts {
		virtual, nanos = virtual+v.Virtual, nanos+v.Nanos
		if len(v.Violations) > 0 {
			r.Failed = append(r.Failed, v.Seed)
		}
	}
	slices.Sort(r.Failed)
	if nanos > 0 {
		r.PerCPUHour = float64(r.Worlds) / float64(nanos) * 3600e9
		r.Speed = float64(virtual) * 1e3 / float64(nanos)
	}
	for i, name := range sim.CounterNames() {
		s := spread{Name: name}
		var values []int64
		for _, v := range verdicts {
			if i >= len(v.Counts) {
				continue // it died
			}
			values = append(values, v.Counts[i])
			if n := v.Counts[i]; len(values) == 1 || n > s.Most || n == s.Most && v.Seed < s.In {
				s.Most, s.In = n, v.Seed
			}
			s.Total += v.Counts[i]
			if v.Counts[i] > 0 {
				s.Worlds++
			}
		}
		if n := len(values); n > 0 {
			slices.Sort(values)
			at := func(perCent int) int64 { return values[min(perCent*n/100, n-1)] }
			s.Least, s.Median, s.P90, s.P99 = values[0], at(50), at(90), at(99)
		}
		if strings.HasPrefix(name, "fault: ") && s.Total > 0 {
			r.FaultKinds++
		}
		r.Counters = append(r.Counters, s)
	}
	return r
}
