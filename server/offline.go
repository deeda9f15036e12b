package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication/store"
	"github.com/vivariumdb/vivarium/server/config"
)

// Directories are a dataDir and a dataLogDir that a tool uses in place of a server. Whoever holds
// them keeps every server out.
type Directories struct {
	data, log string
	lock      *directoryLock
}

// ErrOccupied is wrapped by the error of Found if there is a member's data already.
var ErrOccupied = errors.New("holds data")

// ErrVacant is wrapped by the error of Load if there is no member's data.
var ErrVacant = errors.New("holds no data of Vivarium")

// ourDirectory is where the store keeps its files in dataDir and dataLogDir; stagingDirectory is
// where they are made before they count.
const (
	ourDirectory     = "vivarium"
	stagingDirectory = "vivarium.founding"
)

// HoldDirectories locks the directories, which must exist; log is data if it is empty.
func HoldDirectories(data, log string) (*Directories, error) {
	d := newDirectories(data, log)
	for _, dir := range []string{d.data, d.log} {
		if _, err := os.Stat(dir); err != nil {
			return nil, err
		}
	}
	return d, d.hold()
}

// MakeDirectories makes the directories and locks them.
func MakeDirectories(data, log string) (*Directories, error) {
	d := newDirectories(data, log)
	err := makeDirectories(vfs.Default, &config.Config{DataDir: d.data, DataLogDir: d.log})
	if err != nil {
		return nil, err
	}
	return d, d.hold()
}

func newDirectories(data, log string) *Directories {
	if log == "" {
		log = data
	}
	return &Directories{data: data, log: log}
}

func (d *Directories) hold() (err error) {
	d.lock, err = lockDirectories(vfs.Default, &config.Config{DataDir: d.data, DataLogDir: d.log})
	return err
}

// Release lets others have the directories. With untouched it takes away the lock's files as
// well, if they were not there before.
func (d *Directories) Release(untouched bool) { d.lock.release(untouched) }

// each calls fn with each directory once, the log's first.
func (d *Directories) each(fn func(dir string) error) error {
	if sameFile(d.data, d.log) {
		return fn(d.data)
	}
	return errors.Join(fn(d.log), fn(d.data))
}

// CheckVacant says whether Found would find the directories free.
func (d *Directories) CheckVacant() error {
	return d.each(func(dir string) error {
		for _, name := range []string{ourDirectory, "version-2"} {
			_, err := os.Lstat(filepath.Join(dir, name))
			if err == nil {
				return fmt.Errorf("%s %w (%s): name an empty directory", dir, ErrOccupied, name)
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	})
}

// Found makes the directories those of a member that founds an ensemble with state. It counts as a
// whole or not at all: a crash leaves no member that would start without its data.
func (d *Directories) Found(state *core.State) error {
	if err := d.CheckVacant(); err != nil {
		return err
	}
	staging := func(dir string) string { return filepath.Join(dir, stagingDirectory) }
	remove := func() error {
		return d.each(func(dir string) error { return os.RemoveAll(staging(dir)) })
	}
	if err := remove(); err != nil { // of an attempt that was interrupted
		return err
	}
	err := d.each(func(dir string) error { return os.Mkdir(staging(dir), 0o700) })
	if err == nil {
		err = found(staging(d.data), staging(d.log), state)
	}
	if err == nil {
		err = d.each(func(dir string) error {
			err := os.Rename(filepath.Join(staging(dir), ourDirectory),
				filepath.Join(dir, ourDirectory))
			return errors.Join(err, syncDirectory(dir))
		})
	}
	return errors.Join(err, remove())
}

func found(data, log string, state *core.State) error {
	var id store.DiskID
	rand.Read(id[:])
	disk, _, err := store.Open(vfs.Default, store.Options{DataDir: data, LogDir: log, DiskID: id})
	if err != nil {
		return err
	}
	return errors.Join(store.FoundWith(disk, store.Founding(state, founder)), disk.Close())
}

func syncDirectory(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Loaded is what Load found.
type Loaded struct {
	State *core.State
	// Replayed is the number of entries of the log behind the checkpoint.
	Replayed int
	// Damage is what a crash left unfinished, and was dropped.
	Damage []string
}

// Load returns the State in which a server would start to serve: the checkpoint, with all of the
// log that is known to be committed applied. A member of its own commits what it has written.
func (d *Directories) Load() (*Loaded, error) {
	if _, err := os.Stat(filepath.Join(d.data, ourDirectory, "disk")); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s %w", d.data, ErrVacant)
		}
		return nil, err
	}
	var id store.DiskID
	rand.Read(id[:])
	disk, found, err := store.Open(vfs.Default,
		store.Options{DataDir: d.data, LogDir: d.log, DiskID: id})
	if err != nil {
		return nil, err
	}
	loaded, err := load(disk, found)
	if closed := disk.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	for _, damage := range found.Damage {
		loaded.Damage = append(loaded.Damage, damage.String())
	}
	return loaded, nil
}

func load(disk store.Disk, found *store.Recovered) (*Loaded, error) {
	if found.Empty {
		return nil, fmt.Errorf("the directory %w: its first start did not end", ErrVacant)
	}
	rec, err := store.LoadMember(disk, found)
	if err != nil {
		return nil, err
	}
	n, err := store.Replay(&rec, found.Seat)
	if err != nil {
		return nil, err
	}
	return &Loaded{State: rec.State, Replayed: n}, nil
}
