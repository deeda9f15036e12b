package sim

import (
	"encoding/binary"
	"net/netip"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// planGarbage lets connections come that send what nobody should send. They have no session and
// no lines in the history: all that matters is that nobody else notices.
func (w *World) planGarbage() {
	r := newRNG(w.seed, "garbage")
	a := w.actor("garbage", r)
	var again func()
	again = func() {
		a.wait(w.k.GarbageMs*millisecond, func() {
			if w.calm {
				return
			}
			a.act(func() { w.garbage(r) })
			again()
		})
	}
	if w.k.GarbageMs > 0 {
		again()
	}
}

func (w *World) garbage(r rng) {
	ip := netip.AddrFrom4([4]byte{10, 0, 2, byte(r.IntN(4))})
	if most := w.k.ManyConnections; most > 0 && r.chance(300) {
		// More of one address than there may be, and at one place.
		w.count.add(faultGarbageCrowd)
		for id, n := w.door(), most+r.between(1, 3); n > 0; n-- {
			w.litter(id, ip, r, nil)
		}
		return
	}
	w.litter(w.door(), ip, r, w.garbageBytes(r))
}

// litter connects to a host and sends it no more than the given bytes.
func (w *World) litter(id int64, ip netip.Addr, r rng, b []byte) {
	stay, kill := r.spread(3*second), r.chance(500)
	w.dialTo(id, "garbage", ip, func(e *end) {
		e.readable = func() {
			for len(e.read(1<<16)) > 0 {
				continue
			}
			if e.finished() {
				e.end(e.in.ended)
			}
		}
		write := func() {
			for len(b) > 0 {
				n := e.write(b)
				if n == 0 {
					return
				}
				b = b[n:]
			}
		}
		e.writable = write
		write()
		w.clock.after(stay, func() {
			if kill {
				e.kill(true)
			} else {
				e.close(linearizability.CauseClient)
			}
		})
	}, func() {})
}

func (w *World) garbageBytes(r rng) []byte {
	hello := wire.ConnectRequest{TimeoutMs: 1000, Password: make([]byte, 16), HasReadOnly: true}
	b, at := wire.BeginFrame(nil)
	frame := wire.EndFrame(hello.AppendTo(b), at)
	switch r.IntN(6) {
	case 0:
		w.count.add(faultGarbageBytes)
		b := r.bytes(int(r.between(1, 5000)))
		b[0] |= 0x10 // not by chance a frame that could be a handshake
		return b
	case 1:
		w.count.add(faultGarbageLength)
		length := pick(r, []uint32{1 << 31, 1<<32 - 1, 1<<31 - 1, 1 << 20, 1<<20 - 1, 70000})
		return append(binary.BigEndian.AppendUint32(nil, length), r.bytes(100)...)
	case 2:
		w.count.add(faultGarbageHalf)
		return frame[:r.between(1, int64(len(frame)-1))]
	case 3:
		w.count.add(faultGarbageSilent)
		return nil
	case 4:
		w.count.add(faultGarbageWord)
		return []byte(pick(r, []string{"ruok", "srvr\n", "mntr", "ruo", "xxxx", "stmk12345678"}))
	}
	w.count.add(faultGarbageHandshake)
	short := r.between(5, int64(len(frame)-10))
	b = append([]byte(nil), frame[:short]...)
	binary.BigEndian.PutUint32(b, uint32(short-4)) // a whole frame that is no whole record
	return b
}
