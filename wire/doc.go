// Package wire speaks jute, the encoding of ZooKeeper's client protocol: frames, the records
// of every request and reply in both directions, and the numbers in them.
//
// Think of it as a pair of mirrors. A record is a struct; AppendTo appends its bytes to a
// slice, Decode takes them from a Reader. What one appends, the other decodes to the same
// value. Nothing here knows what a request does, which paths are allowed or who may send
// what; the package judges lengths and nothing else.
//
// # Obligations of the caller
//
//  1. Ask FrameLength before buying memory for a frame, with the jute.maxbuffer in force.
//     On ErrFrameLength close the connection without a reply.
//  2. Decode a client's first frame as a ConnectRequest; all later ones begin with a
//     RequestHeader, whose Op says which record follows. Likewise for a server's.
//  3. After a Decode look at the Reader's Err before using any field. The fields of a record
//     whose decoding failed mean nothing. Bytes after a record are not an error here, as
//     they are none in ZooKeeper; Reader.Len tells.
//
// # Lifetimes
//
// Decoding copies nothing. Every string and byte slice of a decoded record is a view of the
// Reader's input: the input must neither be changed nor reused while the record, or a string
// taken from it, is in use. Copy (strings.Clone, bytes.Clone) what is to live longer.
//
// Decode overwrites every field and reuses the memory of the record's vectors. Decoding into
// the same record again and again therefore does not allocate in the long run, and a vector
// taken from a record is good until its next Decode. Decode into a fresh record to keep it.
//
// AppendTo writes to the slice it is given and keeps no reference to it.
//
// # Limits
//
// Decoders do not panic on any input, and what they allocate is bounded by a small multiple
// of the bytes that arrived, never by a length that merely stands in them.
package wire
