package sim

// tallies are what a sweep's report shows of how hard a world was, besides what is counted anyway.

// sum counts the clients, the faults of processes, disks, clocks and networks, and how many kinds
// of them there were. What clients and garbage do amiss does not count as that.
func (w *World) sum() {
	for _, c := range w.clients {
		if c, ok := c.(*rawClient); !ok || c.crowd == nil && !c.auditor {
			w.count.add(countClients)
		}
	}
	w.count[countFaults], w.count[countFaultKinds] = 0, 0
	for kind := countCrashedBefore + 1; kind < faultRefused; kind++ {
		if n := w.count[kind]; n > 0 {
			w.count[countFaults] += n
			w.count.add(countFaultKinds)
		}
	}
}

// fell notes that a process has ended: that of a majority at once counts as one restart of it.
func (w *World) fell() {
	if !w.scattered && !w.calm && !w.mostRun() {
		w.scattered = true
		w.count.add(countMajorityRestarts)
	}
}

// rose notes that a process has started.
func (w *World) rose() { w.scattered = w.scattered && !w.mostRun() }

// mostRun says whether a majority of the voters that found the ensemble are running.
func (w *World) mostRun() bool {
	founders, up := w.hosts[:w.foundingVoters()], 0
	for _, h := range founders {
		if h.up {
			up++
		}
	}
	return 2*up > len(founders)
}
