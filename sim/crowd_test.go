package sim

import "testing"

// What a crowd watches is changed by one of it that is served, however few are.
func TestCrowdCriesWhereItIsHeard(t *testing.T) {
	asked := 0
	quietly(t, Ensemble(1, 3000), func(s *Stage) {
		w := s.w
		var c *rawClient
		g := &crowd{w: w, r: newRNG(1, "test"), path: "/beacon"}
		s.At(500, func() {
			g.cry() // there is nobody
			for range 20 {
				w.nextID++
				g.members = append(g.members, newRawClient(w, w.nextID))
			}
			g.cry() // there is nobody who is served
			c = s.guest(w.hosts[0])
		})
		s.At(1500, func() {
			g.members = append(g.members, c)
			g.cry()
			asked = c.conn.waiting
		})
	})
	if asked < 3 {
		t.Errorf("the only one who is served asks for %d things, want 3", asked)
	}
}
