package zkdata

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Source says where a ZooKeeper's data lies.
type Source struct {
	// DataDir and LogDir are dataDir and dataLogDir, or the directories version-2 in them. LogDir
	// is DataDir by default.
	DataDir, LogDir string
	// AcceptGaps takes in what is there although transactions are missing: the tree may then
	// never have been like that.
	AcceptGaps bool
	// Logf is told what is being read (nobody).
	Logf func(format string, args ...any)
}

// Report is what Load found.
type Report struct {
	Snapshot     string
	SnapshotZxid int64
	Logs         int // files
	Txns         int // replayed
	// Repeated is how many of their changes were in the snapshot already: it was fuzzy.
	Repeated int
	// Damaged are newer snapshots that are not whole. The logs made up for them.
	Damaged []error
	// Torn are the ends of logs that a crash left unfinished.
	Torn []error
	// Gaps are the places where transactions are missing, with Source.AcceptGaps.
	Gaps []error
	// Orphans is the number of ephemerals of dead sessions that were removed.
	Orphans int
	// Digest says whether the tree has the digest that the last transaction names, or the
	// snapshot if there is none.
	Digest DigestResult
}

// DigestResult is what came of comparing a digest.
type DigestResult string

// The real server's own digests differ for a while behind the creation of a container or TTL
// znode (PROTOCOL, seen on the wire, 21), so a different one condemns nothing.
const (
	DigestUnknown   DigestResult = "unknown"
	DigestSame      DigestResult = "same"
	DigestDifferent DigestResult = "different"
)

// file is a snapshot or a log, with the zxid of its name.
type file struct {
	path string
	zxid int64
}

// Load reads everything that a ZooKeeper would serve if it were started now. No server may run
// there.
func Load(src Source) (*Tree, *Report, error) {
	if src.LogDir == "" {
		src.LogDir = src.DataDir
	}
	if src.Logf == nil {
		src.Logf = func(string, ...any) {}
	}
	snapshots, err := list(src.DataDir, "snapshot.")
	if err != nil {
		return nil, nil, err
	}
	logs, err := list(src.LogDir, "log.")
	if err != nil {
		return nil, nil, err
	}
	if len(snapshots) == 0 {
		return nil, nil, fmt.Errorf("%w in %s: there is no file snapshot.*", ErrNothing,
			src.DataDir)
	}
	l := loading{src: &src, report: &Report{Digest: DigestUnknown}}
	if err := l.snapshot(snapshots); err != nil {
		return nil, nil, err
	}
	if err := l.replay(logs); err != nil {
		return nil, nil, err
	}
	if err := l.finish(); err != nil {
		return nil, nil, err
	}
	return l.tree, l.report, nil
}

// list returns the files with names of a prefix and a zxid in hexadecimal digits, by zxid.
func list(dir, prefix string) ([]file, error) {
	if info, err := os.Stat(filepath.Join(dir, "version-2")); err == nil && info.IsDir() {
		dir = filepath.Join(dir, "version-2")
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrNothing, err)
	}
	if err != nil {
		return nil, err
	}
	var files []file
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), prefix)
		digits = strings.TrimSuffix(digits, compressionOf(digits).extension())
		zxid, err := strconv.ParseInt(digits, 16, 64)
		if ok && err == nil && e.Type().IsRegular() {
			files = append(files, file{filepath.Join(dir, e.Name()), zxid})
		}
	}
	slices.SortStableFunc(files, func(a, b file) int { return cmp.Compare(a.zxid, b.zxid) })
	return files, nil
}

// loading is the state of a Load.
type loading struct {
	src      *Source
	report   *Report
	tree     *Tree
	info     SnapshotInfo
	digest   int64 // of the tree as it is now, as the last transaction foresaw it
	foreseen bool  // there is one
	reaching file  // the newest snapshot that is not whole
}

// snapshot takes the newest snapshot that is whole.
func (l *loading) snapshot(files []file) error {
	for _, f := range slices.Backward(files) {
		l.src.Logf("reading %s", f.path)
		var err error
		if l.tree, l.info, err = readSnapshotFile(f.path); err == nil {
			l.tree.Zxid = f.zxid
			l.report.Snapshot, l.report.SnapshotZxid = f.path, f.zxid
			l.src.Logf("%d znodes, %d sessions", len(l.tree.nodes), len(l.tree.sessions))
			return nil
		}
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) {
			return err
		}
		l.src.Logf("not whole: %v", err)
		l.report.Damaged = append(l.report.Damaged, err)
		l.reaching.zxid = max(l.reaching.zxid, f.zxid)
	}
	return fmt.Errorf("no snapshot is whole: %w", errors.Join(l.report.Damaged...))
}

func readSnapshotFile(path string) (*Tree, SnapshotInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, SnapshotInfo{}, err
	}
	defer f.Close()
	return ReadSnapshot(path, f)
}

// replay carries out what the logs hold behind the snapshot.
func (l *loading) replay(files []file) error {
	start := l.report.SnapshotZxid
	first := 0
	for i, f := range files {
		if f.zxid <= start+1 {
			first = i
		}
	}
	for _, f := range files[min(first, len(files)):] {
		if err := l.replayFile(f.path); err != nil {
			return err
		}
	}
	if l.tree.Zxid < l.reaching.zxid {
		gap := fmt.Errorf("the logs end at transaction 0x%x, before a snapshot that is not whole: "+
			"%w", uint64(l.tree.Zxid), errors.Join(l.report.Damaged...))
		if !l.src.AcceptGaps {
			return gap
		}
		l.report.Gaps = append(l.report.Gaps, gap)
	}
	return nil
}

func (l *loading) replayFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	l.src.Logf("replaying %s", path)
	r, err := NewLogReader(path, f, info.Size())
	if err != nil {
		return err
	}
	l.report.Logs++
	for {
		at := r.Offset()
		x, err := r.Next()
		switch {
		case err != nil:
			return err
		case x == nil:
			if r.Torn != nil {
				l.src.Logf("%v: dropped", r.Torn)
				l.report.Torn = append(l.report.Torn, r.Torn)
			}
			return nil
		case x.Zxid <= l.report.SnapshotZxid:
			continue
		}
		if what := follows(l.tree.Zxid, x.Zxid); what != "" {
			gap := &CorruptError{File: path, Offset: at, What: what}
			if !l.src.AcceptGaps || x.Zxid <= l.tree.Zxid {
				return gap
			}
			l.report.Gaps = append(l.report.Gaps, gap)
		}
		l.tree.apply(x)
		l.report.Txns++
		switch {
		case x.HasDigest:
			l.digest, l.foreseen = x.Digest, true
		case !x.idle():
			l.foreseen = false
		}
	}
}

// follows says why no transaction can be next behind last, "" if it can: within an epoch they are
// numbered without a gap, from 1 on. A server of its own has one epoch, and counts on when the low
// half of a zxid is full.
func follows(last, next int64) string {
	if next == last+1 || next>>32 > last>>32 && next == next>>32<<32|1 {
		return ""
	}
	return fmt.Sprintf("transaction 0x%x follows 0x%x: those between are missing", uint64(next),
		uint64(last))
}

// finish judges the tree and ends what died with its session.
func (l *loading) finish() error {
	if l.report.Txns == 0 && l.info.HasDigest && l.info.DigestZxid == l.tree.Zxid {
		l.digest, l.foreseen = l.info.Digest, true
	}
	if l.foreseen {
		l.report.Digest = DigestDifferent
		if l.tree.Digest() == l.digest {
			l.report.Digest = DigestSame
		}
	}
	l.report.Repeated = l.tree.repeated
	l.report.Orphans = l.tree.endOrphans()
	if err := l.tree.check(l.src.AcceptGaps); err != nil {
		return fmt.Errorf("%s and the logs behind it: %w", l.report.Snapshot, err)
	}
	return nil
}
