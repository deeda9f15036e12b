package sim

import "strconv"

// servers is the order in which a client tries them. Each client has its own; some stick to one.
type servers struct {
	order []int64
	at    int
}

func newServers(w *World, r rng) servers {
	s := servers{}
	for i := range w.hostCount() {
		s.order = append(s.order, i+1)
	}
	if len(s.order) == 1 {
		return s
	}
	r.Shuffle(len(s.order), func(i, j int) { s.order[i], s.order[j] = s.order[j], s.order[i] })
	if r.chance(w.k.Sticky) {
		w.count.add(countSticky)
		s.order = s.order[:1]
	}
	return s
}

// current is the one to be tried now.
func (s *servers) current() int64 { return s.order[s.at] }

// next goes on to another one, if there is any.
func (s *servers) next() { s.at = (s.at + 1) % len(s.order) }

// names are those that the real client knows the servers by.
func (s *servers) names() []string {
	var all []string
	for _, id := range s.order {
		all = append(all, strconv.FormatInt(id, 10))
	}
	return all
}

// serverOf is the server of a name.
func serverOf(name string) int64 {
	id, _ := strconv.ParseInt(name, 10, 64) // names are ours
	return id
}
