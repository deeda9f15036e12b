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
}

// Stage is what a scenario has to play on.
type Stage struct{ w *World }
