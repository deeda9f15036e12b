package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vivariumdb/vivarium/internal/mutant"
)

// scanner reads the records of one segment.
type scanner struct {
	name string
	file vfs.File
	size int64
	in   *bufio.Reader
	at   int64 // where the next record begins
}

func (j *journal) scan(number uint64) (*scanner, error) {
	name := j.path(segmentName(number))
	file, err := j.fs.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("stat segment: %w", err)
	}
	in := bufio.NewReaderSize(io.NewSectionReader(file, 0, info.Size()),
		int(min(256<<10, max(recordHeader, info.Size()))))
	return &scanner{name: name, file: file, size: info.Size(), in: in}, nil
}

// next returns the record that c expects, and the chain behind it; ok is false if there is none.
// For the base of the first segment the header is taken at its word (first).
func (s *scanner) next(
	c chain, first bool,
) (h header, payload []byte, after chain, ok bool, err error) {
	head, err := s.in.Peek(recordHeader)
	if errors.Is(err, io.EOF) {
		return h, nil, c, false, nil
	}
	if err != nil {
		return h, nil, c, false, fmt.Errorf("read %s: %w", s.name, err)
	}
	h = parseHeader(head)
	if first {
		c.prev, c.number = h.prev, h.number
	}
	if !h.plausible(c.tag(), s.size-s.at) || !c.follows(h) {
		return h, nil, c, false, nil
	}
	record := make([]byte, recordSize(int(h.length)))
	if _, err := io.ReadFull(s.in, record); err != nil {
		return h, nil, c, false, fmt.Errorf("read %s: %w", s.name, err)
	}
	if !c.whole(h, record) && !mutant.On("store-torn-tail-as-data") {
		return h, nil, c, false, nil
	}
	s.at += int64(len(record))
	end := recordHeader + int(h.length)
	return h, record[recordHeader:end:end], c.after(h.sum), true, nil
}

// wholeBehind looks for any whole record of this segment at s.at or behind it, and returns where
// it is. Records are aligned, so every place where one can begin is tried.
func (s *scanner) wholeBehind(c chain) (at int64, found bool, err error) {
	window := min(1<<20, s.size-s.at)
	buf := make([]byte, window+recordHeader)
	for from := s.at; from < s.size; from += window {
		n, err := s.file.ReadAt(buf[:min(int64(len(buf)), s.size-from)], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, false, fmt.Errorf("read %s: %w", s.name, err)
		}
		for i := 0; i < int(window) && i+recordHeader <= n; i += recordAlign {
			at := from + int64(i)
			h := parseHeader(buf[i:])
			if !h.plausible(c.tag(), s.size-at) {
				continue
			}
			record := make([]byte, recordSize(int(h.length)))
			if _, err := s.file.ReadAt(record, at); err != nil && !errors.Is(err, io.EOF) {
				return 0, false, fmt.Errorf("read %s: %w", s.name, err)
			}
			if c.whole(h, record) {
				return at, true, nil
			}
		}
	}
	return 0, false, nil
}

// begun says whether the bytes at s.at look like a record that was begun, rather than like zeros
// or what the file held before it was recycled. Either the segment's tag or the chain is enough, so
// that one damaged field does not make a record look as if it had never been written.
func (s *scanner) begun(c chain) bool {
	var head [recordHeader]byte
	n, err := s.file.ReadAt(head[:], s.at)
	if n < recordHeader || err != nil && !errors.Is(err, io.EOF) {
		return n > 0
	}
	h := parseHeader(head[:])
	return h.tag == c.tag() || h.prev == c.prev
}

func (s *scanner) close() { _ = s.file.Close() } // only read

// read replays the log into r, and leaves the journal behind its last record with no file open.
func (j *journal) read(r *replay) ([]Damage, error) {
	if err := j.list(); err != nil {
		return nil, err
	}
	for i, s := range j.live {
		if want := j.live[0].number + uint64(i); s.number != want {
			return nil, &CorruptError{File: j.path(segmentName(want)), What: "segment is missing"}
		}
	}
	for i := range j.live {
		blank, err := j.readSegment(r, i)
		if err != nil {
			return nil, err
		}
		if blank {
			name := segmentName(j.live[i].number)
			j.live = j.live[:i]
			j.nextSpare++
			if err := j.giveBack(name, j.nextSpare-1); err != nil {
				return nil, err
			}
		}
	}
	if len(j.live) == 0 {
		return nil, nil
	}
	return j.readTail()
}

// readSegment replays live[i], which must go on where the one before ended. It is blank if it is
// the last and was taken from the spares, or created, just before a crash: its base is not there,
// and neither is anything else.
func (j *journal) readSegment(r *replay, i int) (blank bool, err error) {
	number := j.live[i].number
	s, err := j.scan(number)
	if err != nil {
		return false, err
	}
	defer s.close()
	c := j.chain
	c.segment = number
	h, payload, after, ok, err := s.next(c, i == 0)
	if err != nil {
		return false, err
	}
	if !ok {
		at, found, err := s.wholeBehind(c)
		switch {
		case err != nil:
			return false, err
		case found && at == 0 && i > 0:
			before := j.path(segmentName(j.live[i-1].number))
			return false, &CorruptError{File: before, Offset: j.at,
				What: "damaged record, whole segments stand behind it"}
		case found || i < len(j.live)-1:
			return false, &CorruptError{File: s.name, What: "the base of the segment is damaged"}
		}
		return true, nil
	}
	if err := j.readBase(r, h, payload, i == 0); err != nil {
		var version *VersionError
		if errors.As(err, &version) {
			version.File = s.name
			return false, version
		}
		return false, &CorruptError{File: s.name, What: "base of the segment", Err: err}
	}
	for at := int64(0); ok; {
		j.chain, j.tail, j.at = after, at, s.at
		at = s.at
		j.noteAt(i, 0, Position{}, r.last)
		if h, payload, after, ok, err = s.next(j.chain, false); err != nil {
			return false, err
		}
		if !ok {
			break
		}
		if err := j.readBatch(r, i, h, payload); err != nil {
			return false, &CorruptError{File: s.name, Offset: j.at, What: "record", Err: err}
		}
	}
	return false, nil
}

// readBase checks what the segment says about those before it, or believes it if it is the first.
func (j *journal) readBase(r *replay, h header, payload []byte, first bool) error {
	id, hs, last, err := decodeBase(payload)
	switch {
	case err != nil:
		return err
	case h.magic != magicBase:
		return errFormat
	case id != j.id:
		return fmt.Errorf("it belongs to disk %v, this is disk %v", id, j.id)
	case first:
		r.begin(hs, last)
	case hs.term != r.hs.term || hs.vote != r.hs.vote || last != r.last:
		return fmt.Errorf("it says term %d, vote %x, end %v; the segments before say %d, %x, %v",
			hs.term, hs.vote, last, r.hs.term, r.hs.vote, r.last)
	}
	return nil
}

func (j *journal) readBatch(r *replay, i int, h header, payload []byte) error {
	if h.magic != magicBatch {
		return errFormat
	}
	hs, start, entries, err := decodeBatch(payload)
	if err != nil {
		return err
	}
	if err := r.apply(hs, start, entries); err != nil {
		return err
	}
	first := uint64(0)
	if len(entries) > 0 {
		first = entries[0].GetIndex()
	}
	j.noteAt(i, first, start, r.last)
	return nil
}

// readTail judges what stands behind the last record.
func (j *journal) readTail() ([]Damage, error) {
	s, err := j.scan(j.chain.segment)
	if err != nil {
		return nil, err
	}
	defer s.close()
	s.at = j.at
	at, found, err := s.wholeBehind(j.chain)
	if err != nil {
		return nil, err
	}
	if found {
		return nil, &CorruptError{File: s.name, Offset: j.at,
			What: fmt.Sprintf("damaged record, a whole one stands behind it at %d", at)}
	}
	if s.begun(j.chain) {
		return []Damage{{File: s.name, Offset: j.at, What: "torn record, never acknowledged"}}, nil
	}
	return nil, nil
}

// reopen makes what was read durable (a process that died may have left it in the page cache
// only) and opens the last segment for writing.
//
// The last record is written once more. If it was its sync that failed and ended the process, the
// kernel takes its pages for clean: they would be read and synced without ever reaching the disk.
// No more than one record can be concerned, for a failed sync is final.
func (j *journal) reopen() error {
	for i, s := range j.live {
		name := j.path(segmentName(s.number))
		file, err := j.fs.OpenReadWrite(name, category)
		if err != nil {
			return fmt.Errorf("open segment: %w", err)
		}
		last := i == len(j.live)-1
		if last {
			err = rewrite(file, j.tail, j.at)
		}
		if err == nil {
			err = file.SyncData()
		}
		if err != nil {
			_ = file.Close()
			return fmt.Errorf("sync %s: %w", name, err)
		}
		if last {
			j.file = file
			break
		}
		if err := file.Close(); err != nil {
			return fmt.Errorf("close segment: %w", err)
		}
	}
	return j.syncDir()
}

// rewrite writes the bytes from at to end as they are.
func rewrite(file vfs.File, at, end int64) error {
	b := make([]byte, end-at)
	if _, err := file.ReadAt(b, at); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	_, err := file.WriteAt(b, at)
	return err
}
