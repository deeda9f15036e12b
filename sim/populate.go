package sim

// populate lets in the clients that the knobs ask for.
func (w *World) populate() {
	r := newRNG(w.seed, "populate")
	for range w.k.Clients {
		w.nextID++
		c := newRawClient(w, w.nextID)
		w.clients = append(w.clients, c)
		w.clock.after(r.between(0, second), c.start)
	}
	for range w.k.ProtocolClients {
		w.nextID++
		c := newProtocolClient(w, w.nextID)
		w.clients = append(w.clients, c)
		c.begin()
		w.clock.after(r.between(0, second), c.later)
	}
	programs, weights := w.k.recipes()
	for range w.k.Recipes {
		w.nextID++
		c := newProtocolClient(w, w.nextID)
		c.program = programs[r.weighted(weights)]
		w.clients = append(w.clients, c)
		c.begin()
		w.clock.after(r.between(0, second), c.later)
	}
	w.planCrowd()
	w.planGarbage()
}
