package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	privateFile fs.FileMode = 0o600
	privateDir  fs.FileMode = 0o700
)

// privateFS lets nobody but the owner see what is created through it: the data is as secret as
// the ACLs in it say. vfs has no permissions for files, so on the operating system's file system
// they are set right after the file is created, in a directory that nobody else can enter.
type privateFS struct {
	vfs.FS
	chmod bool
}

func newPrivateFS(inner vfs.FS) privateFS {
	return privateFS{FS: inner, chmod: vfs.Root(inner) == vfs.Default}
}

// Unwrap returns the file system beneath.
func (p privateFS) Unwrap() vfs.FS { return p.FS }

// Create creates a file that is the owner's alone. Pebble's markers are files whose names name
// others: pebble makes both names durable with one sync of the directory, and a power failure
// before it may leave the marker without the file. So what is there is made durable first.
func (p privateFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasPrefix(p.PathBase(name), "marker.") {
		if err := syncDir(p.FS, p.PathDir(name)); err != nil {
			return nil, err
		}
	}
	f, err := p.FS.Create(name, c)
	return p.restrict(name, f, err)
}

// Remove removes a file. Pebble removes its former marker before it makes the new one durable: with
// neither it would take its directory for empty.
func (p privateFS) Remove(name string) error {
	if strings.HasPrefix(p.PathBase(name), "marker.") {
		if err := syncDir(p.FS, p.PathDir(name)); err != nil {
			return err
		}
	}
	return p.FS.Remove(name)
}

// OpenReadWrite opens a file, or creates it as the owner's alone.
func (p privateFS) OpenReadWrite(
	name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption,
) (vfs.File, error) {
	f, err := p.FS.OpenReadWrite(name, c, opts...)
	return p.restrict(name, f, err)
}

// ReuseForWrite renames and opens a file.
func (p privateFS) ReuseForWrite(
	oldName, newName string, c vfs.DiskWriteCategory,
) (vfs.File, error) {
	f, err := p.FS.ReuseForWrite(oldName, newName, c)
	return p.restrict(newName, f, err)
}

// MkdirAll creates directories that only the owner can enter, whatever the caller asks for.
func (p privateFS) MkdirAll(dir string, _ fs.FileMode) error {
	return p.FS.MkdirAll(dir, privateDir)
}

// Lock creates and locks a file.
func (p privateFS) Lock(name string) (io.Closer, error) {
	lock, err := p.FS.Lock(name)
	if err != nil || !p.chmod {
		return lock, err
	}
	if err := os.Chmod(name, privateFile); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return lock, nil
}

// GetDiskUsage never fails but for being unknown: pebble would stop over it.
func (p privateFS) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	u, err := p.FS.GetDiskUsage(path)
	if err != nil {
		return vfs.DiskUsage{}, vfs.ErrUnsupported
	}
	return u, nil
}

func (p privateFS) restrict(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || !p.chmod {
		return f, err
	}
	if err := os.Chmod(name, privateFile); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// exists says whether there is a file or directory of that name.
func exists(fs vfs.FS, name string) (bool, error) {
	_, err := fs.Stat(name)
	if oserror.IsNotExist(err) {
		return false, nil
	}
	return err == nil, err
}

// makeDir creates dir with what is missing above it, durably, level by level. The name of one that
// is there may be new all the same: who made it may have died before it was durable.
func makeDir(fsys vfs.FS, dir string) error {
	there, err := exists(fsys, dir)
	if err != nil {
		return fmt.Errorf("stat %s: %w", dir, err)
	}
	parent := fsys.PathDir(dir)
	if !there && parent != dir {
		if err := makeDir(fsys, parent); err != nil {
			return err
		}
	}
	if !there {
		if err := fsys.MkdirAll(dir, privateDir); err != nil {
			return fmt.Errorf("create %s: %w", dir, err)
		}
	}
	if err = syncDir(fsys, parent); there {
		// Where we may not look somebody else has made it, and where directories cannot be synced
		// it is what something is mounted on, or nothing can be done.
		for _, harmless := range []error{fs.ErrPermission, syscall.EINVAL, syscall.ENOTSUP,
			syscall.EROFS} {
			if errors.Is(err, harmless) {
				return nil
			}
		}
	}
	return err
}

// writeFile writes a small file so that it is there whole or not at all, durably.
func writeFile(fs vfs.FS, dir, name string, data []byte) error {
	path, temporary := fs.PathJoin(dir, name), fs.PathJoin(dir, name+".new")
	f, err := fs.Create(temporary, category)
	if err != nil {
		return fmt.Errorf("create %s: %w", temporary, err)
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", temporary, err)
	}
	if err := fs.Rename(temporary, path); err != nil {
		return fmt.Errorf("rename %s: %w", temporary, err)
	}
	return syncDir(fs, dir)
}

// readFile reads a small file; ok is false if it is not there.
func readFile(fs vfs.FS, path string) (data []byte, ok bool, err error) {
	f, err := fs.Open(path)
	if oserror.IsNotExist(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { _ = f.Close() }() // only read
	data, err = io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", path, err)
	}
	return data, true, nil
}
