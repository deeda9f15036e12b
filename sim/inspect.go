package sim

import (
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/core"
)

// audit looks at what a world leaves behind: what its recipes have noted, and the last State, which
// is backed up, restored and damaged.
func (w *World) audit() {
	w.ledger.judge(w)
	if len(w.violations) > 0 || w.short {
		return
	}
	r := newRNG(w.seed, "audit")
	if r.chance(300) {
		w.restore(r)
		w.refound()
		w.build(r)
		w.damageEntries(r)
	}
}

// backUp looks, in some worlds, at a State in the midst of everything, which has sessions.
func (w *World) backUp() {
	if r := newRNG(w.seed, "backup"); r.chance(100) && !w.shadow.begun && w.shadow.state != nil {
		w.restore(r)
		w.refound()
	}
}

// restore loads a dump of the last State, as it is and damaged. What is loaded is that State, or
// it is refused.
func (w *World) restore(r rng) {
	var records []core.Record
	header, err := w.shadow.state.Dump(func(rec core.Record) error {
		records = append(records, rec)
		return nil
	})
	if err != nil {
		w.violate("backup", fmt.Sprintf("the state cannot be dumped: %v", err))
		return
	}
	digest := w.shadow.state.Digest()
	if s, err := load(records, header); err != nil || s.Digest() != digest {
		w.violate("backup", fmt.Sprintf("a dump of the state is not loaded: %v", err))
		return
	}
	for range 12 {
		bad, head, what := damaged(r, records, header)
		s, err := load(bad, head)
		if err == nil && s.Digest() != digest {
			w.violate("backup", fmt.Sprintf("a damaged dump is loaded: %s", what))
		}
		if err != nil && err.Error() == "" {
			w.violate("backup", fmt.Sprintf("nothing is said of a damaged dump: %s", what))
		}
	}
}

func load(records []core.Record, header []byte) (*core.State, error) {
	l := core.NewLoader()
	for _, rec := range records {
		if err := l.Add(rec.Key, rec.Value); err != nil {
			return nil, err
		}
	}
	return l.Finish(header)
}

// damaged returns a dump that is not quite as it was.
func damaged(r rng, records []core.Record, header []byte) ([]core.Record, []byte, string) {
	out, at := slices.Clone(records), r.IntN(len(records))
	rec := &out[at]
	switch r.IntN(8) {
	case 0:
		return slices.Delete(out, at, at+1), header, fmt.Sprintf("record %d is missing", at)
	case 1:
		return slices.Insert(out, at, *rec), header, fmt.Sprintf("record %d is repeated", at)
	case 2:
		rec.Value = rec.Value[:r.IntN(len(rec.Value))]
		return out, header, fmt.Sprintf("record %d is cut", at)
	case 3:
		rec.Key = flipped(r, rec.Key)
		return out, header, fmt.Sprintf("key %d is %x", at, rec.Key)
	case 4:
		return out, header[:r.IntN(len(header))], "the header is cut"
	case 5:
		return out, flipped(r, header), "a bit of the header is flipped"
	case 6: // a version of the format that nobody knows
		return out, append([]byte{header[0] + 1}, header[1:]...), "the header is of another version"
	}
	rec.Value = flipped(r, rec.Value)
	return out, header, fmt.Sprintf("record %d is %x", at, rec.Value)
}

// flipped returns bytes with one bit that is another.
func flipped(r rng, b []byte) []byte {
	out := slices.Clone(b)
	if len(out) > 0 {
		out[r.IntN(len(out))] ^= 1 << r.IntN(8)
	}
	return out
}

// refound founds another ensemble with the last State: nothing of it is lost but the streams.
func (w *World) refound() {
	s := w.shadow.state
	again, err := s.Refound(s.Index(), s.Term())
	if err != nil {
		w.violate("backup", fmt.Sprintf("the state cannot be founded anew: %v", err))
		return
	}
	have, want := sizesOf(again), sizesOf(s)
	want.level = core.MaxFeatureLevel // as any founding State has it
	if have != want {
		w.violate("backup", fmt.Sprintf("founded anew the state has %+v, want %+v", have, want))
	}
	if have, want := len(again.AppendACLs(nil)), len(s.AppendACLs(nil)); have != want {
		w.violate("backup", fmt.Sprintf("founded anew the state has %d ACLs, want %d", have, want))
	}
	var paths []string
	note := func(img core.Image) error {
		paths = append(paths, img.Path)
		return nil
	}
	_, _ = s.Walk(note), again.Walk(note) // note fails never
	if n := len(paths) / 2; !slices.Equal(paths[:n], paths[n:]) {
		w.violate("backup", "founded anew the state has other znodes")
	}
}

// build makes a State of the images of the last one, as a migration does, and of images that are
// not quite those: these are refused.
func (w *World) build(r rng) {
	var images []core.Image
	s := w.shadow.state
	_ = s.Walk(func(img core.Image) error { // which fails never
		images = append(images, img)
		return nil
	})
	founding := core.Founding{Index: s.Index(), Term: s.Term(), LastZxid: s.LastZxid(),
		ClockMs: s.Clock()}
	try := func(images []core.Image) (*core.State, error) {
		b := core.NewBuilder()
		for i, id := range []core.SessionID{1, 2, 2, -1 << 63} {
			if err := b.AddSession(id, 1000, [32]byte{}); (err != nil) != (i > 1) {
				w.violate("backup", fmt.Sprintf("session %v is added with %v", id, err))
			}
		}
		for _, img := range images {
			if err := b.AddNode(img); err != nil {
				return nil, err
			}
		}
		if len(images) > 0 {
			b.CountQuotas()
		}
		return b.Finish(founding)
	}
	if again, err := try(images); err != nil || again.NodeCount() != s.NodeCount() {
		w.violate("backup", fmt.Sprintf("the state cannot be built anew: %v", err))
		return
	}
	if least, err := try(images[:1]); err != nil || least.NodeCount() != w.founding().NodeCount() {
		w.violate("backup", fmt.Sprintf("a state of a root alone is not founded: %v", err))
	}
	at := r.IntN(len(images))
	for what, change := range []func([]core.Image) []core.Image{
		func(all []core.Image) []core.Image { return nil },
		func(all []core.Image) []core.Image { return slices.Insert(all, at, all[at]) },
		func(all []core.Image) []core.Image { all[at].Path += "/"; return all },
		func(all []core.Image) []core.Image { all[at].ACL = nil; return all },
		func(all []core.Image) []core.Image { all[at].Owner = 99; return all },
		func(all []core.Image) []core.Image { return all[1:] },
		func(all []core.Image) []core.Image { all[0].Path = "/none/x"; return all },
		func(all []core.Image) []core.Image { all[len(all)-1].Path = "/none/x"; return all },
	} {
		if images[at].Path == "/" && what == 2 {
			continue // "//" is refused as well, and says so at another place
		}
		if _, err := try(change(slices.Clone(images))); err == nil {
			w.violate("backup", fmt.Sprintf("a state is built of images damaged in way %d at %q",
				what, images[at].Path))
		}
	}
}

// damageEntries shows entries to the State that were damaged: they are refused as a whole, before
// anything of them is done.
func (w *World) damageEntries(r rng) {
	s := w.shadow.state
	if w.shadow.begun {
		return
	}
	for range 20 {
		e := pick(r, w.shadow.recent[:])
		if len(e) == 0 {
			continue
		}
		data := flipped(r, e)
		if r.chance(300) {
			data = data[:1+r.IntN(len(data))]
		}
		if _, err := core.DecodeEntry(data); err == nil {
			continue // what is damaged is a client's data, say
		}
		before := s.Digest()
		if err := s.Begin(s.Index()+1, s.Term(), data); err == nil {
			w.violate("damage", fmt.Sprintf("an entry that cannot be decoded is begun: %x", data))
			return
		}
		if s.Digest() != before {
			w.violate("damage", fmt.Sprintf("an entry that is refused leaves a trace: %x", data))
		}
	}
}

// show says what four-letter words say of connections, sessions and znodes.
func (h *host) show() {
	local := h.member.Local
	owned := 0
	var all []byte
	for _, c := range local.Conns() {
		all = fmt.Appendf(all, "%v %v %v %v generation %v %d %q %v over %v\n", c.ID(), c.Remote(),
			c.Session(), c.Owner(), c.Generation(), c.TimeoutMs(), c.Word(), c.Cause(), c.Over())
		if c.TouchedMs() > h.mono() || c.TimeoutMs() < 0 ||
			int64(c.TimeoutMs()) > h.w.k.MaxTimeoutMs {
			h.w.violate("words", fmt.Sprintf("connection %v was touched at %d with a time-out "+
				"of %d ms", c.ID(), c.TouchedMs(), c.TimeoutMs()))
		}
		if c.Defers() && c.Queued() == 0 {
			h.w.violate("words", fmt.Sprintf("connection %v defers nothing", c.ID()))
		}
		if n := c.TakeNotice(); n.Op != 0 {
			all = fmt.Appendf(all, "%v %q %d\n", n.Op, n.Path, n.Bytes)
		}
	}
	state := local.State
	for _, s := range state.AppendSessions(nil) {
		paths := state.AppendEphemerals(nil, s.ID)
		owned += len(paths)
		all = fmt.Appendf(all, "%v %q\n", s.ID, paths)
	}
	if n := state.EphemeralCount(); n != owned {
		h.w.violate("words", fmt.Sprintf("sessions own %d ephemerals, there are %d", owned, n))
	}
	for _, s := range state.AppendStreams(nil) {
		all = fmt.Appendf(all, "%v %v %d\n", s.Origin.RaftID, s.Origin.Registration, s.Seq)
	}
	all = fmt.Appendf(all, "%v", state.LastZxid())
	h.w.trace.add(h.w.clock.now, traceHost, h.id, all)
}
