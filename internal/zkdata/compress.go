package zkdata

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/snappy"
)

// Compression is how a snapshot is packed. The extension of its name says so.
type Compression string

// The compressions that snapshot.compression.method knows.
const (
	Plain  Compression = ""
	Gzip   Compression = "gz"
	Snappy Compression = "snappy"
)

// ParseCompression reads a name as snapshot.compression.method has it.
func ParseCompression(name string) (Compression, error) {
	switch c := Compression(name); c {
	case Plain, Gzip, Snappy:
		return c, nil
	}
	return Plain, fmt.Errorf("compression %q is not known: gz or snappy, or none", name)
}

// extension is what a file name ends in.
func (c Compression) extension() string {
	if c == Plain {
		return ""
	}
	return "." + string(c)
}

// compressionOf returns the compression that a file's name speaks of.
func compressionOf(name string) Compression {
	for _, c := range []Compression{Gzip, Snappy} {
		if strings.HasSuffix(name, c.extension()) {
			return c
		}
	}
	return Plain
}

// formatError is damage in a compressed stream.
type formatError struct{ what string }

func (e *formatError) Error() string { return e.what }

func isGzipDamage(err error) bool {
	var flaw flate.CorruptInputError
	return errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) ||
		errors.As(err, &flaw)
}

// unpack returns a reader of what r holds once it is uncompressed.
func (c Compression) unpack(r io.Reader) (io.Reader, error) {
	switch c {
	case Gzip:
		return gzip.NewReader(bufio.NewReader(r))
	case Snappy:
		return newSnappyReader(r)
	}
	return r, nil
}

// pack returns a writer that compresses to w. Closing it does not close w.
func (c Compression) pack(w io.Writer) io.WriteCloser {
	switch c {
	case Gzip:
		return gzip.NewWriter(w)
	case Snappy:
		return &snappyWriter{w: w}
	}
	return plainWriter{w}
}

type plainWriter struct{ io.Writer }

func (plainWriter) Close() error { return nil }

// snappyHeader begins what snappy-java's SnappyOutputStream writes: magic, version 1, readable
// from version 1 on. Blocks follow, each behind its length. It is not Snappy's framing format.
var snappyHeader = []byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01")

const (
	snappyBlock    = 32 << 10 // of input, as snappy-java has it
	maxSnappyBlock = 1 << 20  // of input, when reading
)

type snappyReader struct {
	r     *bufio.Reader
	block bytes.Buffer
	out   []byte
	rest  []byte // of out
}

func newSnappyReader(r io.Reader) (io.Reader, error) {
	s := &snappyReader{r: bufio.NewReader(r)}
	header := make([]byte, len(snappyHeader))
	if _, err := io.ReadFull(s.r, header); err != nil {
		return nil, err
	}
	if !bytes.Equal(header, snappyHeader) {
		return nil, &formatError{"it is no stream of snappy-java"}
	}
	return s, nil
}

// Read implements io.Reader.
func (s *snappyReader) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *snappyReader) next() error {
	var size [4]byte
	if _, err := io.ReadFull(s.r, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size[:])
	if int64(n) > int64(snappy.MaxEncodedLen(maxSnappyBlock)) {
		return &formatError{fmt.Sprintf("a snappy block of %d bytes", n)}
	}
	s.block.Reset()
	if got, err := io.CopyN(&s.block, s.r, int64(n)); err != nil {
		if got < int64(n) && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	length, err := snappy.DecodedLen(s.block.Bytes())
	if err != nil || length > maxSnappyBlock {
		return &formatError{"a damaged snappy block"}
	}
	if cap(s.out) < length {
		s.out = make([]byte, length)
	}
	if s.out, err = snappy.Decode(s.out[:cap(s.out)], s.block.Bytes()); err != nil {
		return &formatError{"a damaged snappy block"}
	}
	s.rest = s.out
	return nil
}

type snappyWriter struct {
	w     io.Writer
	begun bool
	in    []byte
	out   []byte
}

// Write implements io.Writer.
func (s *snappyWriter) Write(p []byte) (int, error) {
	for n := len(p); ; {
		free := min(snappyBlock-len(s.in), len(p))
		s.in, p = append(s.in, p[:free]...), p[free:]
		if len(p) == 0 {
			return n, nil
		}
		if err := s.flush(); err != nil {
			return n - len(p), err
		}
	}
}

func (s *snappyWriter) flush() error {
	if !s.begun {
		s.begun = true
		if _, err := s.w.Write(snappyHeader); err != nil {
			return err
		}
	}
	if len(s.in) == 0 {
		return nil
	}
	s.out = snappy.Encode(s.out[:cap(s.out)], s.in)
	s.in = s.in[:0]
	b := binary.BigEndian.AppendUint32(nil, uint32(len(s.out)))
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	_, err := s.w.Write(s.out)
	return err
}

// Close writes what is left.
func (s *snappyWriter) Close() error { return s.flush() }
