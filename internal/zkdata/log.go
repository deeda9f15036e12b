package zkdata

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
)

const (
	logMagic      = 0x5A4B4C47 // "ZKLG"
	snapshotMagic = 0x5A4B534E // "ZKSN"
	fileVersion   = 2
	headerSize    = 16
	recordHead    = 12 // checksum and length
	recordEnd     = 'B'
	leastPayload  = 32 // a TxnHeader
)

// LogReader reads a transaction log record by record.
type LogReader struct {
	name   string
	src    io.ReaderAt
	size   int64
	r      *bufio.Reader
	offset int64 // of the next record
	last   int64 // zxid of the record before it
	// Torn is the place where the log ends in a record that is not whole; nil if it does not.
	Torn *CorruptError
}

// NewLogReader returns a reader of the log of that name, which is size bytes long.
func NewLogReader(name string, src io.ReaderAt, size int64) (*LogReader, error) {
	l := &LogReader{name: name, src: src, size: size}
	l.r = bufio.NewReaderSize(io.NewSectionReader(src, 0, size), 256<<10)
	var header [headerSize]byte
	n, err := io.ReadFull(l.r, header[:])
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		// A crash before the header was there. The real server starts all the same.
		l.tear(fmt.Sprintf("the file has %d bytes, its header %d", n, headerSize))
		return l, nil
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case header == [headerSize]byte{} && l.zerosFrom(headerSize):
		l.tear("the file was never written to")
		return l, nil
	}
	magic, version := binary.BigEndian.Uint32(header[:]), binary.BigEndian.Uint32(header[4:])
	if magic != logMagic || version != fileVersion {
		return nil, l.corrupt("it begins with %#x, version %d: no transaction log of version %d",
			magic, version, fileVersion)
	}
	l.offset = headerSize
	return l, nil
}

func (l *LogReader) corrupt(format string, args ...any) error {
	return &CorruptError{File: l.name, Offset: l.offset, What: fmt.Sprintf(format, args...)}
}

func (l *LogReader) tear(what string) {
	l.Torn = &CorruptError{File: l.name, Offset: l.offset, What: what}
}

// Offset is where the next record begins.
func (l *LogReader) Offset() int64 { return l.offset }

// Next returns the next transaction, nil at the end.
func (l *LogReader) Next() (*Txn, error) {
	if l.Torn != nil {
		return nil, nil
	}
	var head [recordHead]byte
	n, err := io.ReadFull(l.r, head[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read %s: %w", l.name, err)
	}
	length := int64(int32(binary.BigEndian.Uint32(head[8:])))
	switch {
	case n == 0:
		return nil, nil
	case n == len(head) && length == 0 && binary.BigEndian.Uint64(head[:]) == 0:
		return nil, l.atZeros()
	case n < len(head):
		return nil, l.torn("a record ends with the file")
	case length < leastPayload || length > maxField:
		return nil, l.torn(fmt.Sprintf("a record of %d bytes", length))
	case length+1 > l.size-l.offset-recordHead:
		return nil, l.torn(fmt.Sprintf("a record of %d bytes does not end in the file", length))
	}
	// The file holds as much: its size bounds what is allocated here.
	payload := make([]byte, length+1)
	if _, err := io.ReadFull(l.r, payload); err != nil {
		return nil, fmt.Errorf("read %s: %w", l.name, err)
	}
	if payload[length] != recordEnd {
		return nil, l.torn("a record is not finished")
	}
	payload = payload[:length:length]
	if sum := uint64(adler32.Checksum(payload)); sum != binary.BigEndian.Uint64(head[:]) {
		return nil, l.corrupt("the checksum of a record is %#x, that of its content %#x",
			binary.BigEndian.Uint64(head[:]), sum)
	}
	x, err := decodeTxn(payload)
	if err != nil {
		return nil, l.corrupt("a whole record that means nothing: %v", err)
	}
	if x.Zxid <= l.last {
		return nil, l.corrupt("transaction 0x%x follows 0x%x", uint64(x.Zxid), uint64(l.last))
	}
	l.last = x.Zxid
	l.offset += recordHead + length + 1
	return x, nil
}

// atZeros judges zeros where a record would begin: the file is longer than what was written.
func (l *LogReader) atZeros() error {
	if l.zerosFrom(l.offset) {
		l.r.Reset(bytes.NewReader(nil))
		return nil
	}
	return l.torn("zeros where a record should begin")
}

// torn judges a record that is not whole. It is what a crash left, unless a whole one stands
// behind it: then acknowledged transactions are damaged, which must not be passed over.
func (l *LogReader) torn(what string) error {
	at, err := l.wholeBehind()
	switch {
	case err != nil:
		return err
	case at != 0:
		return l.corrupt("%s, and a whole record stands behind it, at offset %d", what, at)
	}
	l.tear(what)
	return nil
}

// searchLimit bounds how far behind a torn record another one is looked for: a log is written
// ahead with zeros by 64 MiB.
const searchLimit = 256 << 20

// wholeBehind returns where behind the current offset a whole record stands, 0 if nowhere.
func (l *LogReader) wholeBehind() (int64, error) {
	rest := make([]byte, min(l.size-l.offset, searchLimit))
	n, err := l.src.ReadAt(rest, l.offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("read %s: %w", l.name, err)
	}
	rest = bytes.TrimRight(rest[:n], "\x00")
	// What looks like a record costs a checksum; a budget keeps made-up input from making it
	// costly.
	budget := int64(searchLimit)
	for at := 1; at+recordHead+leastPayload < len(rest) && budget > 0; at++ {
		b := rest[at:]
		// The upper half of the checksum is zero, and what is looked for is no hole.
		if binary.BigEndian.Uint32(b) != 0 || binary.BigEndian.Uint32(b[4:]) == 0 {
			continue
		}
		length := int64(binary.BigEndian.Uint32(b[8:]))
		if length < leastPayload || length > int64(len(b))-recordHead-1 ||
			b[recordHead+length] != recordEnd {
			continue
		}
		budget -= length
		payload := b[recordHead : recordHead+length]
		if adler32.Checksum(payload) != binary.BigEndian.Uint32(b[4:]) {
			continue
		}
		if x, err := decodeTxn(payload); err == nil && x.Zxid > l.last {
			return l.offset + int64(at), nil
		}
	}
	return 0, nil
}

// zerosFrom says whether nothing but zeros stands from there on.
func (l *LogReader) zerosFrom(at int64) bool {
	buf := make([]byte, 64<<10)
	for at < l.size {
		n, err := l.src.ReadAt(buf[:min(int64(len(buf)), l.size-at)], at)
		for _, b := range buf[:n] {
			if b != 0 {
				return false
			}
		}
		if at += int64(n); err != nil || n == 0 {
			break
		}
	}
	return true
}
