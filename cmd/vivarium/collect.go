package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How much garbage may pile up before it is collected. The runtime's own rule, as much as is
// alive, makes a small server collect all the time and a large one twice as large as it need be.
const (
	leastGarbage   = 64 << 20
	garbagePercent = 60 // of what is alive, for a server that holds much
	// mostPercent bounds what a heap may grow to that grows by much between two looks at it.
	mostPercent    = 200
	loadingPercent = 400
)

// Memory that is not used goes back to the system once the server has allocated less than
// quietBytes a second for quietSeconds, if it is worth it: the runtime itself keeps as much as
// its next collection may need.
const (
	quietBytes   = 512 << 10
	quietSeconds = 12
	worthBytes   = 8 << 20
)

// loadFast lets garbage pile up while a server is loaded: little of what it reads is garbage.
func loadFast() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(loadingPercent)
	}
}

// tendMemory decides when garbage is collected and when memory goes back to the system, until
// ctx ends. GOGC has its way, where it is set.
func tendMemory(ctx context.Context, serving <-chan struct{}) {
	if os.Getenv("GOGC") != "" {
		return
	}
	select {
	case <-ctx.Done():
		return
	case <-serving:
	}
	second := time.NewTicker(time.Second)
	defer second.Stop()
	var quiet quietness
	for percent := 0; ; {
		m := readMemory()
		if want := percentFor(m.live); want > percent*11/10 || want < percent*9/10 {
			debug.SetGCPercent(want)
			percent = want
		}
		if quiet.over(m) {
			runtime.GC() // what pools hold is let go of by the second collection only
			debug.FreeOSMemory()
			quiet.freed(readMemory())
		}
		select {
		case <-ctx.Done():
			return
		case <-second.C:
		}
	}
}

// percentFor is the GOGC for a heap of which live bytes are alive.
func percentFor(live uint64) int {
	return int(min(mostPercent, max(garbagePercent, leastGarbage*100/max(live, 1<<20))))
}

// memory is what the runtime says of its memory, in bytes.
type memory struct {
	allocated uint64 // ever
	live      uint64 // found by the last collection
	held      uint64 // in use, or kept from the system
}

func readMemory() memory {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	return memory{allocated: samples[0].Value.Uint64(), live: samples[1].Value.Uint64(),
		held: samples[2].Value.Uint64() - samples[3].Value.Uint64()}
}

// quietness notices when a server has nothing to do and holds memory that it does not use.
type quietness struct {
	last    memory
	seconds int
	least   memory // after the last release
}

// over is told of the memory once a second and says whether it is time to give some back.
func (q *quietness) over(m memory) bool {
	if m.allocated-q.last.allocated > quietBytes {
		q.seconds = 0
	} else {
		q.seconds++
	}
	q.last = m
	return q.seconds >= quietSeconds && m.held > q.least.held+worthBytes &&
		m.allocated > q.least.allocated+worthBytes
}

// freed is told what was left after a release.
func (q *quietness) freed(m memory) { *q = quietness{last: m, least: m} }
