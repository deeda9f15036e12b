package server

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/vivariumdb/vivarium/server/config"
)

// makeDirectories makes dataDir and dataLogDir, unless the configuration wants them to exist.
func makeDirectories(fsys vfs.FS, c *config.Config) error {
	for _, dir := range []struct{ key, path string }{
		{"dataDir", c.DataDir}, {"dataLogDir", c.DataLogDir}} {
		if c.DataDirMustExist {
			if _, err := fsys.Stat(dir.path); errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s %s does not exist, and zookeeper.datadir.autocreate=false "+
					"forbids to make it: make it, or mend the path", dir.key, dir.path)
			}
		}
		if err := makeDirectory(fsys, dir.path); err != nil {
			return fmt.Errorf("make %s: %w", dir.key, err)
		}
	}
	return nil
}

// makeDirectory makes dir with what is missing above it, durably: a power failure must not
// take away the directory that everything acknowledged lies in. If dir is there, whoever founds a
// disk in it sees to its name.
func makeDirectory(fsys vfs.FS, dir string) error {
	if _, err := fsys.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return makeLevel(fsys, dir)
}

// makeLevel makes dir durable, and makes it first if it is missing. The name of one that is there
// may be new: who made it may have died before it was durable.
func makeLevel(fsys vfs.FS, dir string) error {
	_, err := fsys.Stat(dir)
	there := err == nil
	if !there && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := fsys.PathDir(dir)
	if !there {
		if err := makeLevel(fsys, parent); err != nil {
			return err
		}
		if err := fsys.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	f, err := fsys.OpenDir(parent)
	if there && errors.Is(err, fs.ErrPermission) {
		return nil // where we may not look somebody else has made it
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// lockFile is the name of the lock in dataDir and dataLogDir.
const lockFile = "vivarium.lock"

// directoryLock keeps two servers out of one data directory. The kernel lets go of it when
// the process dies, however it dies.
type directoryLock struct {
	files []*os.File
	made  []string // the files that were not there before
}

// lockDirectories locks dataDir and dataLogDir, or says which process holds one. A file system
// that is not the operating system's belongs to one process anyway.
func lockDirectories(fsys vfs.FS, c *config.Config) (*directoryLock, error) {
	l := &directoryLock{}
	if vfs.Root(fsys) != vfs.Default {
		return l, nil
	}
	dirs := []string{c.DataDir}
	if !sameFile(c.DataDir, c.DataLogDir) {
		dirs = append(dirs, c.DataLogDir)
	}
	for _, dir := range dirs {
		if err := l.lock(dir); err != nil {
			l.release(true)
			return nil, err
		}
	}
	return l, nil
}

func sameFile(a, b string) bool {
	one, errOne := os.Stat(a)
	other, errOther := os.Stat(b)
	return errOne == nil && errOther == nil && os.SameFile(one, other)
}

func (l *directoryLock) lock(dir string) error {
	name := filepath.Join(dir, lockFile)
	for {
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			l.made = append(l.made, name)
		}
		file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return fmt.Errorf("lock %s: %w", dir, err)
		}
		held, err := hold(file, name)
		switch {
		case errors.Is(err, syscall.EWOULDBLOCK):
			l.made = nil // another one's by now
			text, _ := io.ReadAll(io.LimitReader(file, 32))
			file.Close()
			// Unknown is one that has the lock and has not yet said who it is.
			return fmt.Errorf("data directory %s is in use by pid %s: stop that server, or "+
				"choose another dataDir and dataLogDir", dir,
				cmp.Or(strings.TrimSpace(string(text)), "unknown"))
		case err != nil:
			file.Close()
			return fmt.Errorf("lock %s: %w", dir, err)
		case held:
			l.files = append(l.files, file)
			return nil
		}
		file.Close()
	}
}

// hold locks a file that was opened by its name, and writes into it who has it. It is false if the
// file has lost its name meanwhile, as whoever had it before found nothing of its own: the next one
// to come would make another file, and lock that as well.
func hold(file *os.File, name string) (held bool, err error) {
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return false, err
	}
	mine, err := file.Stat()
	if err != nil {
		return false, err
	}
	if named, err := os.Stat(name); err != nil || !os.SameFile(mine, named) {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return false, err
	}
	if err := file.Truncate(0); err != nil {
		return false, err
	}
	_, err = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err == nil, err
}

// release lets go. With untouched it also takes away what it made: the directories turned out
// not to be ours. That is done before letting go, so that nobody else can have the file.
func (l *directoryLock) release(untouched bool) {
	if untouched {
		for _, name := range l.made {
			os.Remove(name)
		}
	}
	for _, file := range l.files {
		file.Close()
	}
	l.files, l.made = nil, nil
}

// directorySize adds up the files below dir. What vanishes meanwhile does not count.
func directorySize(fsys vfs.FS, dir string) int64 {
	names, err := fsys.List(dir)
	if err != nil {
		return 0
	}
	var total int64
	for _, name := range names {
		path := fsys.PathJoin(dir, name)
		info, err := fsys.Stat(path)
		switch {
		case err != nil:
		case info.IsDir():
			total += directorySize(fsys, path)
		default:
			total += info.Size()
		}
	}
	return total
}
