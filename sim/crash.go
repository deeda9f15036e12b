package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"
)

// Spot is where a process crashes: at the Nth boundary of a kind that its host passes at a time, or
// at the first one behind that. A world with less in it passes other boundaries, and a crash that
// stays at its number of boundaries would come anywhere.
type Spot struct {
	At   int64 // virtual microseconds, as if no idle time were left out
	Nth  int
	Kind string
}

func (s Spot) String() string { return fmt.Sprintf("%s %d %s", seconds(s.At), s.Nth, s.Kind) }

// spotOf reads what String shows.
func spotOf(text string) (s Spot, err error) {
	at, text, _ := strings.Cut(text, " ")
	nth, kind, _ := strings.Cut(text, " ")
	if s.At, err = microseconds(at); err != nil {
		return s, err
	}
	if s.Nth, err = strconv.Atoi(nth); err != nil || s.Nth < 1 {
		return s, fmt.Errorf("%q is not the how manieth boundary of a kind at a time", nth)
	}
	s.Kind = kind
	if _, ok := boundaryOf(kind); !ok {
		return s, fmt.Errorf("no boundary is called %q", kind)
	}
	return s, nil
}

// boundaryOf returns the kind of boundary of a name.
func boundaryOf(name string) (counter, bool) {
	for c := range counterCount {
		if text, ok := strings.CutPrefix(c.String(), "fault: "); ok && text == name {
			return c, true
		}
	}
	return 0, false
}

// pinned is a crash that a plan keeps.
type pinned struct {
	id   string
	spot Spot
	kind counter
}

// pin lets hosts crash where a plan says.
func (w *World) pin(keep []Decision) {
	for _, d := range keep {
		kind, ok := boundaryOf(d.Spot.Kind)
		host, err := strconv.ParseInt(strings.TrimPrefix(actorOf(d.ID), crashOf), 10, 64)
		if !ok || err != nil {
			continue
		}
		if w.pins == nil {
			w.pins, w.placed = map[int64][]pinned{}, map[string]bool{}
		}
		w.placed[d.ID] = true
		w.pins[host] = append(w.pins[host], pinned{d.ID, d.Spot, kind})
	}
	for _, all := range w.pins { //order-free: each is sorted by itself
		slices.SortStableFunc(all, func(a, b pinned) int {
			return cmp.Compare(a.spot.At, b.spot.At)
		})
	}
}

// boundary stands before and after each effect of the process: here it may crash.
func (h *host) boundary(kind counter) {
	h.w.count.add(countBoundaries)
	h.crossed++
	if h.w.selective() {
		h.note(kind)
	}
	if h.crashIn > 0 && kind.String() == h.crashOn {
		if h.crashIn--; h.crashIn == 0 {
			h.fall(kind, h.crashID())
		}
	}
	if at := h.w.k.CrashAt; at == 0 || h.w.count[countBoundaries] != at {
		if h.crashAt == 0 || h.crossed < h.crashAt {
			return
		}
	}
	h.fall(kind, h.crashID())
}

// note counts the boundaries of this moment, and crashes the process if the plan says so.
func (h *host) note(kind counter) {
	if now := h.w.clock.now; h.instant != now || h.passed == nil {
		h.instant, h.passed = now, map[counter]int{}
	}
	h.passed[kind]++
	pins := h.w.pins[h.id]
	if len(pins) == 0 || h.w.calm || pins[0].kind != kind {
		return
	}
	p, now := pins[0], h.w.gaps.unwarp(h.instant)
	if now < p.spot.At || now == p.spot.At && h.passed[kind] < p.spot.Nth {
		return
	}
	h.w.pins[h.id] = pins[1:]
	h.fall(kind, p.id)
}

// fall crashes the process here and now. What comes of it is drawn from a stream of its own.
func (h *host) fall(kind counter, id string) {
	h.w.meet(kind, h)
	if name := kind.String()[len("fault: "):]; h.w.record {
		h.w.decided(id, fmt.Sprintf("host %d: %s", h.id, name))
		h.w.decisions[len(h.w.decisions)-1].Spot = Spot{At: h.w.gaps.unwarp(h.instant),
			Nth: h.passed[kind], Kind: name}
	}
	h.life.again(h.w.seed, xxh3.HashString(id), 0, 0)
	panic(crashed{})
}

// crashID names the crash that ends a process.
func (h *host) crashID() string { return fmt.Sprintf("%s%d#%d", crashOf, h.id, h.boots) }

const crashOf = "crash of "

func (h *host) planCrash() {
	h.crashAt = 0
	if n := h.w.k.CrashBoundaries; n > 0 && !h.w.calm {
		h.crashAt = h.crossed + 1 + h.life.spread(n)
	}
	if aim := h.w.k.CrashAim; aim > 0 && !h.w.calm {
		h.crashIn = 0
		if h.life.chance(aim) {
			h.crashOn = pick(h.life, rareBoundaries).String()
			h.crashIn = int(1 + h.life.spread(5))
		}
	}
	if !h.mayCrash() {
		h.crashAt, h.crashIn = 0, 0
	}
}

// mayCrash says whether this process may end in a crash that the plan does not place.
func (h *host) mayCrash() bool {
	return h.w.only == nil || h.w.only[h.crashID()] && !h.w.placed[h.crashID()]
}

// aim lets a process crash at one of the next boundaries of a kind, some of the time: when it comes
// to what hardly any process comes to, so that no crash that was planned before meets it.
func (h *host) aim(kind counter, most int64) {
	w := h.w
	h.aims++
	r := newRNG(w.seed, fmt.Sprintf("%s at %d", h.crashID(), h.aims))
	if !w.calm && r.chance(w.k.CrashAim) && h.mayCrash() {
		h.crashOn, h.crashIn = kind.String(), int(r.between(1, most))
	}
}

// rareBoundaries are those at which a crash at any boundary is hardly ever. Few members get a
// checkpoint of a peer, so that those that do are named more often.
var rareBoundaries = []counter{faultCrashSynced, faultCrashAck, faultCrashCheckpoint,
	faultCrashCut, faultCrashMark, faultCrashOpen, faultCrashInDisk, faultCrashStage,
	faultCrashSendCheckpoint, faultCrashInstall, faultCrashStage, faultCrashSendCheckpoint,
	faultCrashInstall, faultCrashStage, faultCrashSendCheckpoint, faultCrashInstall}
