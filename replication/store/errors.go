package store

import (
	"errors"
	"fmt"
)

// ErrDiskLost is what every CorruptError is: this disk has promised something that it can no
// longer show. A member of an ensemble keeps the data aside (SetAside) and joins again with a new
// disk id; a lone member has to be restored by its operator.
var ErrDiskLost = errors.New("disk lost")

// ErrClosed is returned by calls after Close.
var ErrClosed = errors.New("store: closed")

// ErrZooKeeperData is what every ZooKeeperDataError is.
var ErrZooKeeperData = errors.New("directory holds data of ZooKeeper")

// CorruptError reports damage that must not be passed over.
type CorruptError struct {
	File   string
	Offset int64
	What   string
	// Err is the cause if there was one.
	Err error
}

// Error names the place, the damage and the way out.
func (e *CorruptError) Error() string {
	cause := ""
	if e.Err != nil {
		cause = ": " + e.Err.Error()
	}
	return fmt.Sprintf("open %s: offset %d: %s%s; the data is kept as it is: "+
		"in an ensemble move the directory aside and start with an empty one, "+
		"the server joins again and gets the data from the others; "+
		"a lone server needs a backup", e.File, e.Offset, e.What, cause)
}

// Unwrap makes a CorruptError an ErrDiskLost.
func (e *CorruptError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrDiskLost}
	}
	return []error{ErrDiskLost, e.Err}
}

// FailedError is the first error of a disk. It is final: the disk returns it ever after.
type FailedError struct {
	Op  string
	Err error
}

// Error says what failed.
func (e *FailedError) Error() string {
	return fmt.Sprintf("store: %s: %v", e.Op, e.Err)
}

// Unwrap returns the cause.
func (e *FailedError) Unwrap() error { return e.Err }

// ZooKeeperDataError refuses a directory that belongs to ZooKeeper.
type ZooKeeperDataError struct {
	Dir string
}

// Error says whose data it is and what to do.
func (e *ZooKeeperDataError) Error() string {
	return fmt.Sprintf("open %s: it holds data of ZooKeeper (version-2) and none of ours: "+
		"it is never taken for empty; let dataDir and dataLogDir name other directories", e.Dir)
}

// Unwrap makes a ZooKeeperDataError an ErrZooKeeperData.
func (e *ZooKeeperDataError) Unwrap() error { return ErrZooKeeperData }

// VersionError refuses what a later release wrote: it is whole, and not ours to read.
type VersionError struct {
	File         string
	Found, Known uint64
}

// Error names the file, both versions, and what to do.
func (e *VersionError) Error() string {
	return fmt.Sprintf("open %s: it has format %d, this release knows up to %d; "+
		"start the release that wrote it, or a later one", e.File, e.Found, e.Known)
}

// IdentityError refuses directories that do not belong together.
type IdentityError struct {
	DataDir, LogDir string
	What            string
}

// Error names both directories and what to do.
func (e *IdentityError) Error() string {
	return fmt.Sprintf("open %s with log in %s: %s; "+
		"correct dataDir and dataLogDir, or move both vivarium directories aside "+
		"to join the ensemble again as a new disk", e.DataDir, e.LogDir, e.What)
}
