package zkdata

// passwordSecret is ZooKeeperServer.superSecret: it keeps nobody out, but a client that comes
// back has to show what follows from it.
const passwordSecret = 0xB3415C00

// Password returns the password of a session: 16 bytes of java.util.Random, seeded with its id.
func Password(session int64) [16]byte {
	const (
		multiplier = 0x5DEECE66D
		mask       = 1<<48 - 1
	)
	seed := (uint64(session^passwordSecret) ^ multiplier) & mask
	var p [16]byte
	for i := 0; i < len(p); i += 4 {
		seed = (seed*multiplier + 0xB) & mask
		word := uint32(seed >> 16)
		for j := range 4 {
			p[i+j] = byte(word >> (8 * j))
		}
	}
	return p
}
