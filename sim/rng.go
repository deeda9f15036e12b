package sim

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/zeebo/xxh3"
)

// rng is a stream of random numbers that serves one purpose.
type rng struct {
	*rand.Rand
	pcg  *rand.PCG
	gate *gate // nil: it may be drawn from at any time
}

// newRNG returns the stream of a seed for a purpose: independent of all others of that seed.
func newRNG(seed uint64, purpose string) rng {
	pcg := rand.NewPCG(seed, xxh3.HashString(purpose))
	return rng{Rand: rand.New(pcg), pcg: pcg}
}

// gate lets a stream be drawn from only while a decision is being made. Whoever draws later gets
// what the decision before left, or another one that was made meanwhile, and so something else as
// soon as one of these is suppressed: it has to take a stream along (see World.fork).
type gate struct {
	*rand.PCG
	open bool
}

// gatedRNG is newRNG behind a gate, which actor.act opens.
func gatedRNG(seed uint64, purpose string) rng {
	g := &gate{PCG: newRNG(seed, purpose).pcg}
	return rng{rand.New(g), g.PCG, g}
}

// Uint64 implements rand.Source.
func (g *gate) Uint64() uint64 {
	if !g.open {
		panic("sim: a decision draws from its stream after it was made")
	}
	return g.PCG.Uint64()
}

// set opens or shuts the gate, if there is one, and returns how it was.
func (r rng) set(open bool) (was bool) {
	if r.gate != nil {
		was, r.gate.open = r.gate.open, open
	}
	return was
}

// again begins the stream anew, as that of one part of one of many steps of a purpose.
func (r rng) again(seed, purpose uint64, step, part int) {
	r.pcg.Seed(seed, purpose^(uint64(step)*0x9e3779b97f4a7c15+uint64(part)*0xc2b2ae3d27d4eb4f))
}

// chance is true in so many of a thousand cases.
func (r rng) chance(perMille int64) bool { return r.Int64N(1000) < perMille }

// between returns a number from lo to hi, both included.
func (r rng) between(lo, hi int64) int64 {
	if hi <= lo {
		return lo
	}
	return lo + r.Int64N(hi-lo+1)
}

// spread returns a number around mean: most are small, a few are several times as long.
func (r rng) spread(mean int64) int64 {
	if mean <= 0 {
		return 0
	}
	return min(int64(r.ExpFloat64()*float64(mean)), 20*mean)
}

// weighted returns an index, each with the likelihood of its weight.
func (r rng) weighted(weights []int64) int {
	sum := int64(0)
	for _, w := range weights {
		sum += w
	}
	if sum == 0 {
		return 0
	}
	n := r.Int64N(sum)
	for i, w := range weights {
		if n < w {
			return i
		}
		n -= w
	}
	return len(weights) - 1
}

func pick[T any](r rng, from []T) T { return from[r.IntN(len(from))] }

// bytes returns n random bytes.
func (r rng) bytes(n int) []byte {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], r.Uint64())
	}
	return b[:n]
}

func (r rng) id() (id [16]byte) {
	copy(id[:], r.bytes(16))
	return id
}

// entropy is what raft draws from: each member has a stream of its own.
type entropy struct{ w *World }

// Read implements io.Reader.
func (e entropy) Read(p []byte) (int, error) { return copy(p, e.w.entropy.bytes(len(p))), nil }
