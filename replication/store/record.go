package store

import (
	"encoding/binary"
	"hash/crc32"
)

// A record is a header and a payload, padded to a multiple of 8 bytes. All integers are little
// endian.
//
//	 0  uint32  CRC-32C over the disk id and all of the record behind this field, padding included
//	 4  uint32  the CRC of the record before this one: the chain
//	 8  uint32  length of the payload
//	12  uint32  magic, which names the version of the format and the kind of the record
//	16  uint64  the tag of the segment: its number, which counts up for ever, so that a record
//	            left in a recycled file by its former life is known; masked with the disk id
//	24  uint64  number of the record: counts up through the whole log
//
// The chain stands in the record rather than only in its CRC: so each record can be judged on its
// own, and "is there anything whole behind the damage" has an answer even when the damage hides
// where the next record begins. The disk id is in the CRC and in the tag so that nobody can write
// a znode that looks like a record of this log.
const (
	recordHeader = 32
	recordAlign  = 8
	// maxPayload bounds what a damaged length can make us read. A batch is bounded far below it
	// by replication's limits.
	maxPayload = 1 << 30

	magicBase  = 0x564c4731 // "VLG1": first record of a segment
	magicBatch = 0x564c4231 // "VLB1": one batch
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// chain is the place in the log where the next record goes, as far as checking it is concerned.
type chain struct {
	seed    uint32 // CRC of the disk id
	mask    uint64 // of the segment's number, from the disk id
	prev    uint32
	segment uint64
	number  uint64 // of the next record
}

func newChain(id DiskID) chain {
	return chain{
		seed:   crc32.Checksum(id[:], castagnoli),
		mask:   binary.LittleEndian.Uint64(id[:]),
		number: 1,
	}
}

// tag is how the records of the segment are told from those of others.
func (c chain) tag() uint64 { return c.segment ^ c.mask }

// recordSize returns the size in the file of a record with n bytes of payload.
func recordSize(n int) int64 {
	return (recordHeader + int64(n) + recordAlign - 1) &^ (recordAlign - 1)
}

// beginRecord makes room for a header in buf, which it empties.
func beginRecord(buf []byte) []byte {
	var room [recordHeader]byte
	return append(buf[:0], room[:]...)
}

// endRecord fills in the header of the record that buf holds, pads it, and returns it with the
// chain behind it.
func (c chain) endRecord(buf []byte, magic uint32) ([]byte, chain) {
	n := len(buf) - recordHeader
	for len(buf)%recordAlign != 0 {
		buf = append(buf, 0)
	}
	le := binary.LittleEndian
	le.PutUint32(buf[4:], c.prev)
	le.PutUint32(buf[8:], uint32(n))
	le.PutUint32(buf[12:], magic)
	le.PutUint64(buf[16:], c.tag())
	le.PutUint64(buf[24:], c.number)
	sum := crc32.Update(c.seed, castagnoli, buf[4:])
	le.PutUint32(buf, sum)
	return buf, c.after(sum)
}

// after returns the chain behind the record whose CRC is sum.
func (c chain) after(sum uint32) chain {
	c.prev = sum
	c.number++
	return c
}

// header is a record's header, read and not yet believed.
type header struct {
	sum, prev, length, magic uint32
	tag, number              uint64
}

// parseHeader reads the first recordHeader bytes of b.
func parseHeader(b []byte) header {
	le := binary.LittleEndian
	return header{
		sum:    le.Uint32(b),
		prev:   le.Uint32(b[4:]),
		length: le.Uint32(b[8:]),
		magic:  le.Uint32(b[12:]),
		tag:    le.Uint64(b[16:]),
		number: le.Uint64(b[24:]),
	}
}

// plausible says whether h may head a record of the segment with this tag in room bytes.
func (h header) plausible(tag uint64, room int64) bool {
	return (h.magic == magicBase || h.magic == magicBatch) && h.tag == tag &&
		h.length <= maxPayload && recordSize(int(h.length)) <= room
}

// follows says whether h is the header that the chain expects.
func (c chain) follows(h header) bool {
	return h.prev == c.prev && h.tag == c.tag() && h.number == c.number
}

// whole says whether record, all of it with its header h, is as it was written.
func (c chain) whole(h header, record []byte) bool {
	return crc32.Update(c.seed, castagnoli, record[4:]) == h.sum
}
