package sim

// readback is how a client reads everything back in the end: a sync first, then all paths that
// clients use. What a connection that breaks leaves without an answer is asked again, in smaller
// batches: a server may close a client for which there is too much to say at once, never one that
// asks for one thing at a time.
type readback struct {
	begun bool
	left  []asked
	batch int   // how many of these were asked last,
	on    int64 // and on which connection
	most  int   // how many may be asked at once
}

// next returns what is to be asked on a connection that owes no answer, nothing if all is read.
func (b *readback) next(conn int64, g *generator) []asked {
	switch {
	case !b.begun:
		b.begun = true
		b.left = append([]asked{g.sync("/")}, g.everything()...)
		b.most = len(b.left)
	case b.on == conn:
		b.left = b.left[b.batch:]
	default:
		b.most = max(1, b.batch/2)
	}
	b.on, b.batch = conn, min(b.most, len(b.left))
	return b.left[:b.batch]
}

// took says how many of a batch were sent, if there was no room for all.
func (b *readback) took(n int) { b.batch = n }

// done says whether everything was read.
func (b *readback) done() bool { return b.begun && len(b.left) == 0 }
