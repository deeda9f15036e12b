// Package linearizability judges histories of a coordination service that speaks ZooKeeper's
// protocol, of one server or of several.
//
// A history is what clients saw (connections, calls, returns, events), what the log holds (commits
// in log order) and what befell the servers (crashes, digests), in the order in which it happened.
// It is written by whoever drives the service, or stands between it and its clients, as JSON lines
// or as a History in memory, and speaks of ZooKeeper's requests only, not of anyone's encoding of
// them.
//
// Judge replays the commits through a naive model of ZooKeeper's tree, sessions and watches, and
// holds everything that clients saw against it; then it asks porcupine, which knows neither commits
// nor zxids, for any order that explains the answers. This package imports nothing of the project
// and shares no code with what it judges: a mistake would have to be made twice to go unseen.
//
// # The file
//
// The first line is a Header with "history":1, each further one a Line; their fields are those of
// the types here, under their JSON names. Which fields count for a kind of line is said at its
// constant (KindConnect and so on). Zero values may be left out, unknown fields are refused. Bytes
// are base64. A little history of a proxy:
//
//	{"history":1,"name":"staging","members":3}
//	{"at":0,"kind":"connect","server":2,"client":1,"conn":1,"connect":{"timeoutMs":4000}}
//	{"at":9,"kind":"connected","conn":1,"session":77,"connect":{"timeoutMs":4000}}
//	{"at":10,"kind":"call","conn":1,"session":77,"xid":1,"request":{"op":"exists","path":"/a"}}
//	{"at":15,"kind":"return","conn":1,"session":77,"xid":1,"zxid":12,"result":{"err":-101}}
//	{"at":20,"kind":"disconnect","conn":1,"text":"client"}
//
// # What the writer of a history owes
//
//   - Lines stand in the order of happening: a call when its bytes are given to the network, a
//     return or an event when the client takes it from the network, a commit when the first member
//     applies it. Where two lines have the same time, their order decides. Times never fall. A
//     proxy writes a call before it passes it on, and a return after it has come.
//   - Each line of a client names its connection. Connection numbers are never used twice; a
//     connection's first line is its connect, which names the server. A client keeps its number
//     when it comes back by another connection or to another server.
//   - Positive xids are unique within a session, also across its connections.
//   - A call whose result never became known simply has no return: it may have happened.
//   - Members in the header is right. With several, only reads behind a sync must be fresh.
//
// # What may be left out
//
// Commit lines, all of them. Then the sequence of answers, events and zxids is judged by what each
// client can tell, and all operations by porcupine; the tree is taken for unknown unless the header
// says "fresh". Report.Judges says who judged, and who could not. If there are commit lines,
//
//   - they are complete: indexes start at 1 and leave none out, each command is one line with its
//     place in the entry, in the order of the log; an entry without commands is written as one
//     commit of kind "other";
//   - a commit that is applied again (by another member, or after a restart) may be written again
//     with the same index and place; it must be written again when it differs from what was written
//     first. Digests of source "log" say the same for less;
//   - /zookeeper/config begins with the header's config, whose version, if it has one, is the zxid
//     that the service begins with.
//
// Lines about servers (leader, crash, restart, pause, resume, heard) serve to judge expiry: without
// them, an expiry is lawful after a time-out without a sign that anybody can have heard. Digest
// lines, a quiesce line and answerWithin are judged where they stand.
package linearizability
