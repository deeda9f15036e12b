package snapshot

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"runtime"
	"testing"

	"github.com/vivariumdb/vivarium/core"
)

// read reads a snapshot, and fails if that takes much more memory than there are bytes.
func read(t *testing.T, b []byte) (s *core.State, err error) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s, err = Read(bytes.NewReader(b))
	runtime.ReadMemStats(&after)
	// The buffer of the file has 256 KiB, and a block's first step has 1 MiB.
	if took := after.TotalAlloc - before.TotalAlloc; took > 256*uint64(len(b))+4<<20 {
		t.Fatalf("reading %d bytes took %d bytes of memory: %x", len(b), took, b)
	}
	return s, err
}

// FuzzRead: no input panics, and what is taken is written alike.
func FuzzRead(f *testing.F) {
	f.Add(write(f, state(f, 0)))
	f.Add(write(f, state(f, 9)))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := read(t, b)
		if err != nil {
			return
		}
		if again, err := Read(bytes.NewReader(write(t, s))); err != nil ||
			again.Digest() != s.Digest() {
			t.Errorf("written and read again: %v", err)
		}
	})
}

// FuzzBlocks seals blocks of arbitrary content, so that what is behind the checksums is reached.
// Each block is a length of two bytes and the block.
func FuzzBlocks(f *testing.F) {
	for _, n := range []int{0, 3} {
		b := write(f, state(f, n))[len(firstLine):]
		var plain []byte
		for len(b) > 0 {
			n := int(binary.BigEndian.Uint32(b))
			plain = binary.BigEndian.AppendUint16(plain, uint16(n))
			plain = append(plain, b[blockHead:blockHead+n]...)
			b = b[blockHead+n:]
		}
		f.Add(plain)
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		b, crc := []byte(firstLine), uint32(0)
		for len(plain) >= 2 {
			n := min(int(binary.BigEndian.Uint16(plain)), len(plain)-2)
			block := plain[2 : 2+n]
			plain = plain[2+n:]
			crc = crc32.Update(crc, castagnoli, block)
			b = binary.BigEndian.AppendUint32(b, uint32(n))
			b = append(binary.BigEndian.AppendUint32(b, crc), block...)
		}
		s, err := read(t, b)
		if err != nil {
			return
		}
		if again, err := Read(bytes.NewReader(write(t, s))); err != nil ||
			again.Digest() != s.Digest() {
			t.Errorf("written and read again: %v", err)
		}
	})
}
