package sim

import "fmt"

// populate lets in the clients that the knobs ask for.
func (w *World) populate() {
	if w.abstract != nil {
		w.toldClients()
		return
	}
	r := newRNG(w.seed, "populate")
	for range w.k.Clients {
		w.nextID++
		at := r.between(0, second)
		if id := fmt.Sprintf("client %d", w.nextID); w.comes(id, "comes") {
			c := newRawClient(w, w.nextID)
			w.clients = append(w.clients, c)
			w.clock.after(w.gaps.warp(at), c.start)
		}
	}
	for range w.k.ProtocolClients {
		w.nextID++
		w.apply(r.between(0, second), nil)
	}
	programs, weights := w.k.recipes()
	for range w.k.Recipes {
		w.nextID++
		program := programs[r.weighted(weights)]
		w.apply(r.between(0, second), program)
	}
	guests := newRNG(w.seed, "guests come")
	for range w.k.Guests {
		w.nextID++
		w.apply(guests.between(0, second), (*recipe).container)
	}
	w.planCrowd()
	w.planGarbage()
}

// apply lets in a client as applications have it, which begins its steps at some time.
func (w *World) apply(at int64, program func(*recipe)) {
	if !w.comes(fmt.Sprintf("client %d", w.nextID), "comes") {
		return
	}
	c := newProtocolClient(w, w.nextID)
	c.program = program
	w.clients = append(w.clients, c)
	c.begin()
	w.clock.after(w.gaps.warp(at), c.later)
}
