package store

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	ourDir       = "vivarium"
	zooKeeperDir = "version-2"
	diskFile     = "disk"
	stateDir     = "state"
)

// dirs are where a disk lives.
type dirs struct {
	fs        vfs.FS
	data, log string // the directories given, in which ours lie
}

func newDirs(fs vfs.FS, o Options) dirs {
	return dirs{fs: fs, data: o.DataDir, log: o.LogDir}
}

func (d dirs) ourData() string { return d.fs.PathJoin(d.data, ourDir) }
func (d dirs) ourLog() string  { return d.fs.PathJoin(d.log, ourDir) }
func (d dirs) shared() bool    { return d.data == d.log }

func (d dirs) fault(format string, args ...any) error {
	return &IdentityError{DataDir: d.data, LogDir: d.log, What: fmt.Sprintf(format, args...)}
}

// identify returns the id of the disk, and gives the disk one if both directories are empty. The
// id is durable in the data directory, then in the log's, before anything else is created.
func (d dirs) identify(fresh DiskID) (id DiskID, founded bool, err error) {
	dataID, inData, err := d.readID(d.ourData())
	if err != nil {
		return id, false, err
	}
	logID, inLog := dataID, inData
	if !d.shared() {
		if logID, inLog, err = d.readID(d.ourLog()); err != nil {
			return id, false, err
		}
	}
	switch {
	case inData && inLog && dataID == logID:
		return dataID, false, nil
	case inData && inLog:
		return id, false, d.fault("they belong to different disks, %v and %v", dataID, logID)
	case inLog:
		return id, false, d.fault("the log belongs to disk %v, the data directory is empty", logID)
	case inData:
		return dataID, true, d.finishFounding(dataID)
	}
	if err := d.checkEmpty(); err != nil {
		return id, false, err
	}
	for _, dir := range []string{d.ourData(), d.ourLog()} {
		if err := d.writeID(dir, fresh); err != nil {
			return id, false, err
		}
	}
	return fresh, true, nil
}

// finishFounding gives the log directory its id after a crash between the two. A disk with a mark
// was founded long ago: then the log is lost.
func (d dirs) finishFounding(id DiskID) error {
	there, err := exists(d.fs, d.fs.PathJoin(d.ourData(), markFile))
	if err != nil {
		return fmt.Errorf("open %s: %w", d.data, err)
	}
	if there {
		return d.fault("the data belongs to disk %v, the log directory is empty", id)
	}
	return d.writeID(d.ourLog(), id)
}

// checkEmpty refuses to found in a directory that holds anything of ours, or ZooKeeper's data.
func (d dirs) checkEmpty() error {
	for _, dir := range []string{d.data, d.log} {
		found, err := exists(d.fs, d.fs.PathJoin(dir, zooKeeperDir))
		if err != nil {
			return fmt.Errorf("open %s: %w", dir, err)
		}
		if found {
			return &ZooKeeperDataError{Dir: dir}
		}
	}
	for _, dir := range []string{d.ourData(), d.ourLog()} {
		there, err := exists(d.fs, dir)
		if err != nil {
			return fmt.Errorf("open %s: %w", dir, err)
		}
		if !there {
			continue
		}
		names, err := d.fs.List(dir)
		if err != nil {
			return fmt.Errorf("list %s: %w", dir, err)
		}
		for _, name := range names {
			if name != diskFile+".new" { // left by a crash in writeID
				return d.fault("%s has lost its file %q", dir, diskFile)
			}
		}
	}
	return nil
}

// The disk file is text, for people: one line with the version, one with the id.
const (
	diskVersion = 1
	diskFormat  = "vivarium disk %d\n%s\n"
)

func (d dirs) writeID(dir string, id DiskID) error {
	if err := makeDir(d.fs, dir); err != nil {
		return err
	}
	return writeFile(d.fs, dir, diskFile, fmt.Appendf(nil, diskFormat, diskVersion, id))
}

func (d dirs) readID(dir string) (id DiskID, ok bool, err error) {
	path := d.fs.PathJoin(dir, diskFile)
	text, ok, err := readFile(d.fs, path)
	if err != nil || !ok {
		return id, false, err
	}
	var digits []byte
	var version uint64
	// What was scanned is printed again: scanning alone lets too much pass.
	n, _ := fmt.Sscanf(string(text), strings.Replace(diskFormat, "%s", "%x", 1), &version, &digits)
	switch {
	case n == 2 && copy(id[:], digits) == len(id) &&
		string(text) == fmt.Sprintf(diskFormat, diskVersion, id):
		return id, true, nil
	case n >= 1 && version > diskVersion:
		return id, false, &VersionError{File: path, Found: version, Known: diskVersion}
	}
	return id, false, &CorruptError{File: path, What: "not a disk id"}
}

// asideFile, in DataDir, says that the disk is being set aside. Open goes on with it after a crash.
// It does not travel with what is set aside: that may be put back by hand.
const asideFile = ourDir + ".aside"

// SetAside renames our directories under DataDir and LogDir, so that the next Open finds them
// empty and nothing is thrown away. It returns the new names. The disk must be closed.
func SetAside(fs vfs.FS, o Options) ([]string, error) {
	d := newDirs(newPrivateFS(fs), o.withDefaults())
	there, err := exists(fs, d.ourData())
	if err != nil {
		return nil, fmt.Errorf("set aside %s: %w", d.data, err)
	}
	if there {
		if err := writeFile(d.fs, d.data, asideFile, nil); err != nil {
			return nil, err
		}
	}
	var names []string
	for _, dir := range []string{d.log, d.data} { // the one that must not be founded anew last
		name, err := d.setAside(dir)
		if err != nil {
			return names, err
		}
		if name != "" {
			names = append(names, name)
		}
	}
	return names, d.asideDone()
}

// asideDone takes the note away. Nothing may be founded before that is durable, or it would be set
// aside after a crash.
func (d dirs) asideDone() error {
	note := d.fs.PathJoin(d.data, asideFile)
	if there, err := exists(d.fs, note); err != nil || !there {
		return err
	}
	if err := d.fs.Remove(note); err != nil {
		return fmt.Errorf("remove %s: %w", note, err)
	}
	return syncDir(d.fs, d.data)
}

// finishAside does the rest if a crash interrupted SetAside.
func finishAside(fs vfs.FS, o Options) error {
	d := newDirs(fs, o)
	there, err := exists(fs, fs.PathJoin(d.data, asideFile))
	if err != nil {
		return fmt.Errorf("open %s: %w", d.data, err)
	}
	if !there {
		return nil
	}
	_, err = SetAside(fs, o)
	return err
}

func (d dirs) setAside(dir string) (string, error) {
	from := d.fs.PathJoin(dir, ourDir)
	there, err := exists(d.fs, from)
	if err == nil && !there {
		// Who renamed it may have died before the new name was durable.
		if there, err = exists(d.fs, dir); err == nil && there {
			err = syncDir(d.fs, dir)
		}
		return "", err
	}
	if err != nil {
		return "", err
	}
	const most = 1000
	for i := range most {
		to := fmt.Sprintf("%s.lost-%d", from, i+1)
		there, err := exists(d.fs, to)
		if err != nil {
			return "", err
		}
		if there {
			continue
		}
		if err := d.fs.Rename(from, to); err != nil {
			return "", fmt.Errorf("set aside %s: %w", from, err)
		}
		return to, syncDir(d.fs, dir)
	}
	return "", fmt.Errorf("set aside %s: %d copies are there already", from, most)
}
