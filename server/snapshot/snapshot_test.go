package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
)

// state returns a State with so many znodes.
func state(t testing.TB, znodes int) *core.State {
	t.Helper()
	b := core.NewBuilder()
	err := b.AddSession(7, 4000, [32]byte{7})
	for i := -1; i < znodes && err == nil; i++ {
		img := core.Image{Path: "/", ACL: wire.OpenACL()}
		if i >= 0 {
			img.Path = fmt.Sprintf("/n%06d", i)
			img.Data = bytes.Repeat([]byte{byte(i)}, i%2000)
			img.Owner = int64(i % 2 * 7)
		}
		err = b.AddNode(img)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Finish(core.Founding{Index: 1, Term: 2, LastZxid: 3, ClockMs: 4})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t testing.TB, s *core.State) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestWriteRead reads what was written, of several blocks.
func TestWriteRead(t *testing.T) {
	for _, znodes := range []int{0, 1, 3000} {
		s := state(t, znodes)
		b := write(t, s)
		if err := Check(bytes.NewReader(b)); err != nil {
			t.Errorf("%d znodes: Check: %v", znodes, err)
		}
		again, err := Read(bytes.NewReader(b))
		if err != nil {
			t.Errorf("%d znodes: Read: %v", znodes, err)
			continue
		}
		if again.Digest() != s.Digest() || again.LastZxid() != s.LastZxid() {
			t.Errorf("%d znodes: digest %x, was %x", znodes, again.Digest(), s.Digest())
		}
	}
}

// TestBlocks leaves a block out, and puts two in each other's place.
func TestBlocks(t *testing.T) {
	b := write(t, state(t, 3000))
	var ends []int
	for at := len(firstLine); at < len(b); {
		at += blockHead + int(binary.BigEndian.Uint32(b[at:]))
		ends = append(ends, at)
	}
	if len(ends) < 4 {
		t.Fatalf("there are %d blocks only", len(ends))
	}
	first, second, third := b[:ends[0]], b[ends[0]:ends[1]], b[ends[1]:ends[2]]
	rest := b[ends[2]:]
	for what, parts := range map[string][][]byte{
		"the second block left out":    {first, third, rest},
		"the second behind the third":  {first, third, second, rest},
		"the second twice":             {first, second, second, third, rest},
		"the last block left out":      {b[:ends[len(ends)-2]]},
		"nothing but the first line":   {b[:len(firstLine)]},
		"nothing":                      {},
		"another snapshot's last line": {first, write(t, state(t, 0))[len(firstLine):]},
	} {
		_, err := Read(bytes.NewReader(bytes.Join(parts, nil)))
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) {
			t.Errorf("%s: %v, want a CorruptError", what, err)
		}
	}
}
