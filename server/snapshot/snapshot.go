// Package snapshot is the format of a backup: the whole State at one place of the log, in one file.
//
// The file begins with a line that people can read. Blocks follow, each with its length and a
// checksum (CRC-32C) that goes on from the block before, so that none can be lost, changed or
// moved. The blocks hold the records of a checkpoint in the order of their keys; the last one holds
// the checkpoint's header, with zxid and digest, and how many records there are. A file without its
// last block is not whole.
//
// A Writer needs as much memory as a block. Reading loads the State, which checks its digest.
package snapshot

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/vivariumdb/vivarium/core"
)

// firstLine names the format and its version.
const firstLine = "vivarium snapshot 1\n"

const (
	blockSize = 256 << 10 // at which a block is written
	// maxBlock bounds what a reader takes: a record is no longer than a request and its path.
	maxBlock  = 1 << 30
	blockHead = 8 // length and checksum
)

// Kinds of blocks.
const (
	kindRecords = 'R'
	kindEnd     = 'E'
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Writer writes a snapshot.
type Writer struct {
	w     io.Writer
	block []byte
	crc   uint32
	count uint64
	begun bool
}

// NewWriter returns a writer of a snapshot into w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Add writes the next record, in the order of the keys.
func (w *Writer) Add(key, value []byte) error {
	w.count++
	w.begin(kindRecords)
	w.block = binary.AppendUvarint(w.block, uint64(len(key)))
	w.block = append(w.block, key...)
	w.block = binary.AppendUvarint(w.block, uint64(len(value)))
	w.block = append(w.block, value...)
	if len(w.block) < blockSize {
		return nil
	}
	return w.flush()
}

// Finish writes the header, which ends the snapshot. w is the caller's to sync and to close.
func (w *Writer) Finish(header []byte) error {
	if err := w.flush(); err != nil {
		return err
	}
	w.begin(kindEnd)
	w.block = append(binary.AppendUvarint(w.block, w.count), header...)
	return w.flush()
}

func (w *Writer) begin(kind byte) {
	if len(w.block) > 0 {
		return
	}
	w.block = append(append(w.block, make([]byte, blockHead)...), kind)
}

func (w *Writer) flush() error {
	if len(w.block) == 0 {
		return nil
	}
	if !w.begun {
		w.begun = true
		if _, err := io.WriteString(w.w, firstLine); err != nil {
			return err
		}
	}
	w.crc = crc32.Update(w.crc, castagnoli, w.block[blockHead:])
	binary.BigEndian.PutUint32(w.block, uint32(len(w.block)-blockHead))
	binary.BigEndian.PutUint32(w.block[4:], w.crc)
	_, err := w.w.Write(w.block)
	w.block = w.block[:0]
	return err
}

// Write writes the whole of a State, which must not change meanwhile.
func Write(to io.Writer, state *core.State) error {
	w := NewWriter(to)
	header, err := state.Dump(func(r core.Record) error { return w.Add(r.Key, r.Value) })
	if err != nil {
		return err
	}
	return w.Finish(header)
}

// CorruptError says what is wrong with a snapshot, and where.
type CorruptError struct {
	Offset int64 // of the block
	What   string
	Err    error
}

// Error says what was found.
func (e *CorruptError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("offset %d: %s: %v", e.Offset, e.What, e.Err)
	}
	return fmt.Sprintf("offset %d: %s", e.Offset, e.What)
}

// Unwrap returns the cause.
func (e *CorruptError) Unwrap() error { return e.Err }

// Read reads a snapshot and returns its State, the digest of which is the one that was stored.
func Read(from io.Reader) (*core.State, error) {
	loader := core.NewLoader()
	header, err := scan(from, loader.Add)
	if err != nil {
		return nil, err
	}
	state, err := loader.Finish(header)
	if err != nil {
		return nil, &CorruptError{What: "the checksums are right, the content is not", Err: err}
	}
	return state, nil
}

// Check reads a snapshot for its checksums and its end alone.
func Check(from io.Reader) error {
	_, err := scan(from, func(_, _ []byte) error { return nil })
	return err
}

// reader reads blocks.
type reader struct {
	r      *bufio.Reader
	offset int64
	crc    uint32
	block  []byte
}

// scan calls add with every record and returns the header.
func scan(from io.Reader, add func(key, value []byte) error) (header []byte, err error) {
	r := &reader{r: bufio.NewReaderSize(from, blockSize)}
	line := make([]byte, len(firstLine))
	if _, err := io.ReadFull(r.r, line); err != nil && !ended(err) {
		return nil, err
	}
	if string(line) != firstLine {
		return nil, r.corrupt("it does not begin with %q: it is no snapshot of this version",
			firstLine)
	}
	r.offset = int64(len(firstLine))
	for count := uint64(0); ; {
		body, err := r.next()
		if err != nil {
			return nil, err
		}
		switch body[0] {
		case kindRecords:
			n, err := r.records(body[1:], add)
			if err != nil {
				return nil, err
			}
			count += n
		case kindEnd:
			want, n := binary.Uvarint(body[1:])
			if n <= 0 || want != count {
				return nil, r.corrupt("it holds %d records and should hold %d", count, want)
			}
			if _, err := r.r.ReadByte(); err == nil {
				return nil, r.corrupt("something stands behind its end")
			} else if !ended(err) {
				return nil, err
			}
			return body[1+n:], nil
		default:
			return nil, r.corrupt("a block of unknown kind %q", body[0])
		}
		r.offset += int64(blockHead + len(body))
	}
}

func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func (r *reader) corrupt(format string, args ...any) error {
	return &CorruptError{Offset: r.offset, What: fmt.Sprintf(format, args...)}
}

// next reads a block. It is valid until the next call and has a kind at least.
func (r *reader) next() ([]byte, error) {
	var head [blockHead]byte
	if _, err := io.ReadFull(r.r, head[:]); ended(err) {
		return nil, r.corrupt("the file ends early")
	} else if err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n < 1 || n > maxBlock {
		return nil, r.corrupt("a block of %d bytes", n)
	}
	r.block = r.block[:0]
	for len(r.block) < n {
		// No more than has come so far, or a step, whichever is more.
		step := min(n-len(r.block), max(len(r.block), 1<<20))
		at := len(r.block)
		r.block = append(r.block, make([]byte, step)...)
		if _, err := io.ReadFull(r.r, r.block[at:]); ended(err) {
			return nil, r.corrupt("the file ends in a block")
		} else if err != nil {
			return nil, err
		}
	}
	r.crc = crc32.Update(r.crc, castagnoli, r.block)
	if stored := binary.BigEndian.Uint32(head[4:]); stored != r.crc {
		return nil, r.corrupt("the checksum of a block is %#x, that of its content %#x", stored,
			r.crc)
	}
	return r.block, nil
}

// records calls add with the records of a block.
func (r *reader) records(b []byte, add func(key, value []byte) error) (count uint64, err error) {
	for len(b) > 0 {
		var parts [2][]byte
		for i := range parts {
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return count, r.corrupt("a record is longer than its block")
			}
			parts[i], b = b[n:n+int(size)], b[n+int(size):]
		}
		if len(parts[0]) == 0 {
			return count, r.corrupt("a record without a key")
		}
		if err := add(parts[0], parts[1]); err != nil {
			return count, &CorruptError{Offset: r.offset, What: "a record", Err: err}
		}
		count++
	}
	return count, nil
}
