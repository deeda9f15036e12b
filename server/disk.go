package server

import (
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
		if err := fsys.MkdirAll(dir.path, 0o700); err != nil {
			return fmt.Errorf("make %s: %w", dir.key, err)
		}
	}
	return nil
}

// directoryLock keeps two servers out of one data directory. The kernel lets go of it when
// the process dies, however it dies.
type directoryLock struct{ file *os.File }

// lockDirectory locks dataDir, or says which process holds it. A file system that is not the
// operating system's belongs to one process anyway.
func lockDirectory(fsys vfs.FS, dataDir string) (*directoryLock, error) {
	if fsys != vfs.Default {
		return &directoryLock{}, nil
	}
	name := filepath.Join(dataDir, "vivarium.lock")
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		text, _ := io.ReadAll(io.LimitReader(file, 32))
		file.Close()
		return nil, fmt.Errorf("data directory %s is in use by pid %s: stop that server, or "+
			"choose another dataDir", dataDir, strings.TrimSpace(string(text)))
	}
	if err == nil {
		err = file.Truncate(0)
	}
	if err == nil {
		_, err = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("lock data directory %s: %w", dataDir, err)
	}
	return &directoryLock{file: file}, nil
}

func (l *directoryLock) release() {
	if l != nil && l.file != nil {
		l.file.Close()
		l.file = nil
	}
}
