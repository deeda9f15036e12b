package sim

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/zeebo/xxh3"
)

// trace is the running hash of everything that happened in a world, and its text if asked for.
type trace struct {
	hash *xxh3.Hasher
	text io.Writer // nil: only hash
	head [25]byte
}

func newTrace(text io.Writer) trace { return trace{hash: xxh3.New(), text: text} }

// topic is a kind of thing that is traced.
type topic byte

const (
	traceSend       topic = 'S' // bytes given to a link by the server
	traceCall       topic = 'C' // a frame given to a link by a client
	traceReply      topic = 'R' // a frame that a client took from a link
	traceAppend     topic = 'A' // a batch given to the log
	traceCheckpoint topic = 'K' // a checkpoint given to the disk
	traceCut        topic = 'T' // the log was cut
	traceMark       topic = 'M' // the mark was asked for
	traceCommit     topic = 'O' // an outcome
	traceDigest     topic = 'D'
	tracePeer       topic = 'P' // a message given to a link between hosts
	traceLink       topic = 'L' // a link came to be or ended
	traceHost       topic = 'H' // the process started, crashed, hung
)

var topicNames = map[topic]string{traceSend: "send", traceCall: "call", traceReply: "reply",
	traceAppend: "append", traceCheckpoint: "checkpoint", traceCut: "cut", traceMark: "mark",
	traceCommit: "commit", traceDigest: "digest", traceLink: "link", traceHost: "host",
	tracePeer: "peer"}

// add takes in one thing that happened.
func (t *trace) add(now int64, what topic, id int64, data []byte) {
	t.head[0] = byte(what)
	binary.LittleEndian.PutUint64(t.head[1:], uint64(now))
	binary.LittleEndian.PutUint64(t.head[9:], uint64(id))
	binary.LittleEndian.PutUint64(t.head[17:], uint64(len(data)))
	_, _ = t.hash.Write(t.head[:]) // a hash takes everything
	_, _ = t.hash.Write(data)
	if t.text != nil {
		_, _ = fmt.Fprintf(t.text, "%d.%06d %s %d %q\n", now/second, now%second, topicNames[what],
			id, data) // what cannot be shown does not change the world
	}
}

// sum is the hash of all that was added so far.
func (t *trace) sum() string {
	h := t.hash.Sum128().Bytes()
	return fmt.Sprintf("%x", h)
}
