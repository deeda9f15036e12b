// Package load puts a ZooKeeper service under load and measures it: any service that speaks the
// protocol, not only ours. Run does one workload and returns what it saw.
//
// Think of it as a few sockets and a deck of requests that were encoded beforehand. Each
// connection has one goroutine; per operation it copies a frame, patches a transaction id and,
// in some workloads, a number, and records one latency. Nothing is allocated, so that the machine
// is the server's.
//
// # Closed and open loop
//
// Closed: each connection keeps Options.Pipeline requests in flight and sends a new one for each
// reply. This finds the highest rate; its latencies are those at that rate, and a server that
// pauses is asked nothing meanwhile.
//
// Open: Options.Rate requests a second are due at equal intervals, whatever the server does. A
// latency counts from the time a request was due, not from when it could be sent: a pause of the
// server, or of this program, is charged to every request that was due in it. Result.LateUs says
// how much of that was this program's.
//
// # What the caller owes
//
// Run makes a znode of its own at the root of the service and removes it in the end, unless
// Options.Keep is set. A run that is cut off may leave it behind. CPU and memory of servers are
// read from the proc file system, so their processes have to be on this machine.
package load
