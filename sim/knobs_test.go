package sim

import "testing"

// Worlds whose settings let something take longer than the judges' patience were drawn: seeds
// 130002988 (a checkpoint in tiny pieces to somebody far away) and 160005860 (hundreds of requests,
// of which one at a time goes to a leader far away).
func TestDrawnThingsEnd(t *testing.T) {
	for seed := range uint64(5000) {
		k := Draw(seed)
		if k.MaxQueued > 0 && k.Pipeline > 1 {
			if us := k.Pipeline / k.MaxQueued * 4 * k.PeerDelayUs; us > 20*second {
				t.Errorf("seed %d: %d requests, %d at a time, take %d us", seed, k.Pipeline,
					k.MaxQueued, us)
			}
		}
		if k.PieceBytes > 0 && k.PieceBytes < 8000 && k.MaxLogBytes > 0 && k.PeerDelayUs > 10000 {
			t.Errorf("seed %d: pieces of %d bytes, %d us away, with %d bytes of log", seed,
				k.PieceBytes, k.PeerDelayUs, k.MaxLogBytes)
		}
	}
}
