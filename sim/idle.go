package sim

import (
	"fmt"
	"strings"

	"github.com/vivariumdb/vivarium/core"
)

// idle waits until an ensemble of which nobody wants anything has done what it does by itself, and
// then leaves its log alone: what has outlived its time is gone, and nothing is proposed any more.
func (w *World) idle(next func()) {
	const rest = 1500 * millisecond // what is decided again and again is so each second
	index, since := uint64(0), w.clock.now
	w.await("the log to rest", w.patience, func() bool {
		if at := w.shadow.state.Index(); at != index {
			index, since = at, w.clock.now
		}
		return w.clock.now-since >= rest && len(overdue(w.shadow.state)) == 0
	}, next)
}

// overdue lists the containers and TTL znodes that nobody needs any more. It knows nothing of how
// a State finds them.
func overdue(s *core.State) []string {
	used := map[string]bool{}
	var due []string
	var all []core.Image
	_ = s.Walk(func(img core.Image) error { // which fails never
		used[img.Path[:strings.LastIndexByte(img.Path, '/')]] = true
		all = append(all, img)
		return nil
	})
	const ttlMark, ttlBits = 0xff, 40
	for i := range all {
		img := &all[i]
		owner := uint64(img.Owner)
		ttl := int64(owner & (1<<ttlBits - 1))
		switch {
		case used[img.Path] || img.Path == "/":
		case owner == 1<<63 && img.Created > 0:
			due = append(due, img.Path)
		case owner>>56 == ttlMark && s.Clock()-img.Mtime > ttl:
			due = append(due, fmt.Sprintf("%s after %d ms", img.Path, s.Clock()-img.Mtime))
		}
	}
	return due
}
