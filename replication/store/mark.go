package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The mark file has two slots, each in a block of its own, written in turn: a write that is torn
// leaves the other. The valid slot with the higher count is the mark.
const (
	markFile  = "mark"
	markSlots = 2
	markBlock = 4096
	markSize  = 56
	markMagic = 0x564c4d4b // "VLMK"
	// markVersion is the format of a slot; where it stands does not change with it.
	markVersion = 1
)

// appendMark encodes a slot: CRC-32C over disk id and the rest, magic, count, version, the mark.
func appendMark(b []byte, id DiskID, count uint64, m Mark) []byte {
	at := len(b)
	le := binary.LittleEndian
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, markMagic)
	for _, v := range []uint64{count, markVersion, m.Term, m.Vote, m.Acked.Term,
		m.Acked.Index} {
		b = le.AppendUint64(b, v)
	}
	le.PutUint32(b[at:], crc32.Update(crc32.Checksum(id[:], castagnoli), castagnoli, b[at+4:]))
	return b
}

// decodeMark reads a slot; ok is false if it is damaged.
func decodeMark(b []byte, id DiskID) (count, version uint64, m Mark, ok bool) {
	le := binary.LittleEndian
	sum := crc32.Update(crc32.Checksum(id[:], castagnoli), castagnoli, b[4:markSize])
	if le.Uint32(b) != sum || le.Uint32(b[4:]) != markMagic {
		return 0, 0, m, false
	}
	m.Term, m.Vote = le.Uint64(b[24:]), le.Uint64(b[32:])
	m.Acked = Position{Term: le.Uint64(b[40:]), Index: le.Uint64(b[48:])}
	return le.Uint64(b[8:]), le.Uint64(b[16:]), m, true
}

// marker writes the mark file.
type marker struct {
	file vfs.File
	path string
	id   DiskID
	sync bool

	// turn is held while a slot is written and synced, the one place where a lock of this package
	// spans I/O: it orders the few writers of one small file and guards nothing else.
	turn  sync.Mutex
	count uint64
	buf   []byte
}

// createMark creates the file with both slots empty. A disk is founded when it is there.
func createMark(fs vfs.FS, dir string, id DiskID) error {
	data := make([]byte, markSlots*markBlock)
	for slot := range markSlots {
		appendMark(data[:slot*markBlock], id, uint64(slot), Mark{})
	}
	return writeFile(fs, dir, markFile, data)
}

// openMark reads the mark. One damaged slot is what a crash while it was written leaves; two are
// not.
func openMark(fs vfs.FS, dir string, id DiskID) (*marker, Mark, []Damage, error) {
	k := &marker{path: fs.PathJoin(dir, markFile), id: id, sync: true}
	data, there, err := readFile(fs, k.path)
	if err != nil {
		return nil, Mark{}, nil, err
	}
	if !there {
		return nil, Mark{}, nil, &CorruptError{File: k.path, What: "the mark is missing"}
	}
	var best Mark
	var damage []Damage
	valid := 0
	for slot := range markSlots {
		at := slot * markBlock
		count, version, m, ok := uint64(0), uint64(0), Mark{}, false
		if len(data) >= at+markSize {
			count, version, m, ok = decodeMark(data[at:], id)
		}
		if !ok {
			damage = append(damage, Damage{File: k.path, Offset: int64(at), What: "torn slot"})
			continue
		}
		if version != markVersion {
			return nil, Mark{}, nil, &VersionError{File: k.path, Found: version, Known: markVersion}
		}
		if valid++; valid == 1 || count > k.count {
			best, k.count = m, count
		}
	}
	if valid == 0 {
		return nil, Mark{}, nil, &CorruptError{File: k.path, What: "both slots are damaged"}
	}
	if k.file, err = fs.OpenReadWrite(k.path, category); err != nil {
		return nil, Mark{}, nil, fmt.Errorf("open %s: %w", k.path, err)
	}
	return k, best, damage, nil
}

// write makes what current returns durable. The function is called when it is this writer's turn,
// so that a later slot never says less than an earlier one.
func (k *marker) write(current func() Mark) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	m := current()
	k.count++
	return k.put(m, k.sync)
}

// renew makes m durable, which was read from the newest slot: a process that died may have left it
// in the page cache only. What is read counts from then on; and while the other slot is written,
// this one has to be whole on the disk. It is written once more because its sync may have failed,
// as the last record of the log is (reopen).
func (k *marker) renew(m Mark) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	return k.put(m, true)
}

// put writes the slot whose turn it is.
func (k *marker) put(m Mark, sync bool) error {
	k.buf = appendMark(k.buf[:0], k.id, k.count, m)
	at := int64(k.count%markSlots) * markBlock
	n, err := k.file.WriteAt(k.buf, at)
	if err == nil && n < len(k.buf) {
		err = io.ErrShortWrite
	}
	if err == nil && sync {
		err = k.file.SyncData()
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", k.path, err)
	}
	return nil
}

func (k *marker) close() error {
	k.turn.Lock()
	defer k.turn.Unlock()
	if k.file == nil {
		return nil
	}
	err := k.file.Close()
	k.file = nil
	return err
}
