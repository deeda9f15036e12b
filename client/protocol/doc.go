// Package protocol is a client of the protocol without its sockets, its clock and its goroutines:
// it decides what is sent, which reply belongs to which request, which watches fire, when to
// ping, when to give a connection up and where to dial next. The package client drives it with
// real connections, the simulator with simulated ones.
//
// A Session is one session with the service, from the first handshake until it is closed,
// expired or refused, over as many connections as that takes. Its inputs are methods, its outputs
// two queues: bytes for the current connection, and Effects, which the driver carries out in
// their order.
//
// # Obligations of the driver
//
//  1. Call one method at a time. After each call take all Effects with Next, then the bytes with
//     Output, and write these to the connection they are for.
//  2. now never goes back, whatever the wall clock does. Call Tick when Deadline has come.
//  3. On Dial, connect, and then report Opened once, Feed for all that is read, and Lost once,
//     also if connecting failed. There is never a second Dial before that Lost.
//  4. On HangUp, close that connection and report Lost as for any other. What a connection says
//     after its HangUp may still be fed; it is ignored.
//  5. Choices that should differ from client to client are the driver's: the order of the servers
//     in Config and the random numbers given to Lost.
//
// # What a caller may rely on
//
// Every request that Submit accepted is answered by exactly one Reply. Requests that were
// submitted while no connection was open wait for the next one. When a connection ends, all
// requests submitted before its end are answered CodeConnectionLoss, whether they had been
// written or not: behind a request of unknown fate none is sent as if nothing had happened, and
// nothing is ever sent twice.
//
// Events and Replies come in the order of the wire. The zxid sent with a handshake is the highest
// this session has seen in any reply or event, so no later connection shows an older state.
// Watches are set again on each new connection; what one-shot watches missed in between is
// reported by the server, what persistent ones missed is lost, as in all of ZooKeeper.
//
// Bodies of replies and paths of events are memory of their own and the receiver's to keep.
package protocol
