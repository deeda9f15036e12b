// Package sim is the simulated driver of a server: the same machine that package server puts
// behind sockets, in a world of one goroutine.
//
// A world is an event heap on a virtual clock, one to seven hosts (each a disk, a clock that drifts
// and jumps, a process that crashes, hangs and restarts), links between them and to clients that
// delay, stall, break and are cut, and clients that speak the real protocol bytes. All choices come
// from one seed, through streams of random numbers that each serve one purpose, so that a draw more
// in one shifts no other. The same seed in the same binary gives the same trace, to the byte.
//
// # What is checked
//
// Each world writes a history of what clients saw and what was committed and gives it to the
// judges of package linearizability. Besides, the world itself runs a shadow: a second State that
// is given each committed entry once and never sees a disk: the first member that reports an index
// defines it. The commit lines of the history come from it, and every digest of every member,
// running, loaded or received, is held against its own. It knows what each log was told to hold and
// has acknowledged: a restart must find that, and a leader must have what was ever applied. A vigil
// knows which signs of life have come to a leader, and so what its session clock may find silent.
// A twin of each session of the real client knows what its caller asked for, what it must send and
// tell, and how it may treat its server: when it pings, how long it bears silence, whom it dials.
// Manners are what a process owes its connections: whom it takes, reads and ends, and why. In the
// end sessions that nobody closed end in time, nothing is overdue, and the log comes to rest and is
// cut. A panic anywhere in the machine is a violation like any other.
//
// # Decisions
//
// What a world does of its own (a fault, a step of a client, a request) is a Decision with an
// identity and a stream of random numbers of its own, so that it stays the same when others are
// suppressed: a fault takes a stream along for what it draws later, and a world in which one draws
// from its own after it was made panics. A Plan names those that are kept; it is what a failing
// world is shrunk to.
//
// # Driving the member
//
// The host keeps to what packages replication, store and core ask of a driver: each of their
// activities (loop, log, apply, checkpoints, feeding, flushing) is a chain of events with delays
// from the seed, and the single goroutine is one legal schedule of their locks. Around each effect
// (a write to the disk, an acknowledgement, an apply, bytes sent) stands a numbered boundary, at
// which the seed may let the process crash.
//
// # Owed by the caller
//
// Run takes over crypto/rand.Reader, from which raft draws its election jitter, and gives it back:
// one world at a time in a process. Several worlds are run by several processes.
package sim
