package store

import (
	"fmt"
	"strings"

	"github.com/vivariumdb/vivarium/core"
)

// Seat is the place of a disk in an ensemble, which its first State does not tell: a member that
// joins begins with the State of the founding, long before it was admitted.
type Seat struct {
	Cluster core.ClusterID
	RaftID  core.RaftID
}

// seatFile is text, for people: one line with the version, one with ensemble and raft id.
const (
	seatFile    = "member"
	seatVersion = 1
	seatFormat  = "vivarium member %d\n%s %d\n"
)

func (t Seat) text() string {
	return fmt.Sprintf(seatFormat, seatVersion, fmt.Sprintf("%x", t.Cluster[:]), t.RaftID)
}

// parseSeat reads what text wrote, and nothing else.
func parseSeat(file, text string) (t Seat, err error) {
	var digits []byte
	var version uint64
	n, _ := fmt.Sscanf(text, strings.Replace(seatFormat, "%s", "%x", 1), &version, &digits,
		&t.RaftID) // what was scanned is printed again: scanning alone lets too much pass
	switch {
	case n == 3 && copy(t.Cluster[:], digits) == len(t.Cluster) && t.text() == text:
		return t, nil
	case n >= 1 && version > seatVersion:
		return t, &VersionError{File: file, Found: version, Known: seatVersion}
	}
	return t, &CorruptError{File: file, What: "not a member of an ensemble"}
}

// Sit gives an empty disk its place in an ensemble, before it is founded (FoundWith). Until the
// founding counts the place says nothing: the disk is still empty, and may get another one.
func (s *Store) Sit(t Seat) error {
	if err := s.doom.err(); err != nil {
		return err
	}
	if err := writeFile(s.dirs.fs, s.dirs.ourData(), seatFile, []byte(t.text())); err != nil {
		return s.doom.fail("sit", err)
	}
	return nil
}

// readSeat returns the place of a disk, which is zero if it has none.
func (d dirs) readSeat() (t Seat, err error) {
	path := d.fs.PathJoin(d.ourData(), seatFile)
	text, ok, err := readFile(d.fs, path)
	if err != nil || !ok {
		return t, err
	}
	return parseSeat(path, string(text))
}

// Sit does what Sit of a Store does.
func (m *Memory) Sit(t Seat) error {
	if m.doom != nil {
		return m.doom
	}
	m.image.seat = t
	return nil
}
