// Package linearizability judges histories of a coordination service that speaks ZooKeeper's
// protocol.
//
// A history is what clients saw (connections, calls, returns, events), what the log holds (commits
// in log order) and what befell the servers (crashes, digests), in the order in which it happened.
// It is written by whoever drives the service, as JSON lines or as a History in memory, and speaks
// of ZooKeeper's requests only, not of anyone's encoding of them.
//
// Judge replays the commits through a naive model of ZooKeeper's tree, sessions and watches, and
// holds everything that clients saw against it. This package imports nothing of the project and
// shares no code with what it judges: a mistake would have to be made twice to go unseen.
//
// # What the writer of a history owes
//
//   - Lines stand in the order of happening: a call when its bytes are given to the network, a
//     return or an event when the client takes it from the network, a commit when the first member
//     applies it. Where two lines have the same time, their order decides. Times never fall.
//   - Each line of a client names its connection. Connection numbers are never used twice; a
//     connection's first line is its connect.
//   - Positive xids are unique within a session, also across its connections.
//   - Commit lines are complete: indexes start at 1 and leave none out; an entry without commands
//     is written as one commit of kind "other". A commit that is applied again (by another member,
//     or after a restart) may be written again with the same index and place; it must be written
//     again when it differs from what was written first.
//   - A call whose result never became known simply has no return.
package linearizability
