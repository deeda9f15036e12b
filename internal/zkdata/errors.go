package zkdata

import (
	"errors"
	"fmt"
)

// CorruptError says that a file does not hold what a ZooKeeper wrote.
type CorruptError struct {
	File   string
	Offset int64 // of the record or field at fault, in the file once it is uncompressed
	What   string
}

// Error says what was found where.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s: offset %d: %s", e.File, e.Offset, e.What)
}

// ErrNothing is wrapped by the error of Load for a directory without a ZooKeeper's data.
var ErrNothing = errors.New("no data of a ZooKeeper")
