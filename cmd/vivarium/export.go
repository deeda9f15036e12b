package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/zkdata"
	"github.com/vivariumdb/vivarium/server"
)

type exportFlags struct {
	from, fromLog, to, compress string
	quiet                       bool
	output                      outputFlag
}

func newExport() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write a data directory as a ZooKeeper's",
		Long: "Write the data of a stopped server as a snapshot that a ZooKeeper 3.9 starts\n" +
			"with.\n\nEvery znode is kept with its Stat and ACL, sequence counters, quotas, and\n" +
			"sessions with their ephemerals. Clients cannot take up sessions that Vivarium has\n" +
			"given them, since ZooKeeper derives passwords from ids; those expire in their\n" +
			"time. --to must hold no ZooKeeper's data.",
		Example: "  vivarium export --from /var/lib/vivarium --to /var/lib/zookeeper\n" +
			"  vivarium export --from /data --to /zk --compress gz -o json",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return exportData(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "dataDir of a stopped server, a `directory`")
	flags.StringVar(&f.fromLog, "from-log", "", "its dataLogDir, a `directory` (dataDir)")
	flags.StringVar(&f.to, "to", "", "dataDir of the ZooKeeper, a `directory`")
	flags.StringVar(&f.compress, "compress", "", "pack the snapshot: gz or snappy")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "do not say how far it is")
	f.output.add(cmd)
	return cmd
}

// exportSummary is what was exported.
type exportSummary struct {
	Snapshot  string   `json:"snapshot"`
	Bytes     int64    `json:"bytes"`
	Zxid      string   `json:"zxid"`
	Znodes    int      `json:"znodes"`
	Sessions  int      `json:"sessions"`
	Digest    string   `json:"digest"`
	Notices   []string `json:"notices"`
	ElapsedMs int64    `json:"elapsedMs"`
}

// String is the summary for people.
func (s exportSummary) String() string {
	var b strings.Builder
	for _, n := range s.Notices {
		fmt.Fprintf(&b, "notice: %s\n", n)
	}
	fmt.Fprintf(&b, "exported %d znodes and %d sessions, up to zxid %s, digest %s\n", s.Znodes,
		s.Sessions, s.Zxid, s.Digest)
	fmt.Fprintf(&b, "into %s (%d bytes), in %v", s.Snapshot, s.Bytes,
		time.Duration(s.ElapsedMs)*time.Millisecond)
	return b.String()
}

func exportData(cmd *cobra.Command, f exportFlags) error {
	pack, err := zkdata.ParseCompression(f.compress)
	if err != nil {
		err = usageError{err}
	}
	if err := errors.Join(required(cmd, "from", "to"), f.output.check(), err); err != nil {
		return err
	}
	began := time.Now()
	say := progress(cmd.ErrOrStderr(), f.quiet)
	loaded, err := loadStopped(f.from, f.fromLog, say)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	state := loaded.State
	dir := filepath.Join(f.to, "version-2")
	if err := makeVacant(dir); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	name := filepath.Join(dir, zkdata.SnapshotName(int64(state.LastZxid()), pack))
	say("writing %s", name)
	size, err := writeFile(name, func(file *os.File) error {
		return writeSnapshot(file, pack, state)
	})
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	digest := state.Digest()
	return f.output.print(cmd.OutOrStdout(), exportSummary{Snapshot: name, Bytes: size,
		Zxid: state.LastZxid().String(), Znodes: state.NodeCount() - 1,
		Sessions: state.SessionCount(), Digest: fmt.Sprintf("%x", digest),
		Notices: append([]string{}, loaded.Damage...), ElapsedMs: time.Since(began).Milliseconds()})
}

// loadStopped loads the State of a data directory that no server uses.
func loadStopped(data, log string, say func(string, ...any)) (*server.Loaded, error) {
	dirs, err := server.HoldDirectories(data, log)
	if err != nil {
		return nil, err
	}
	defer dirs.Release(false)
	say("loading %s", data)
	loaded, err := dirs.Load()
	if err == nil {
		say("%d znodes, %d entries of the log replayed", loaded.State.NodeCount()-1,
			loaded.Replayed)
	}
	return loaded, err
}

// makeVacant makes a directory, which must be empty if it is there.
func makeVacant(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty: name another directory", dir)
	}
	return os.MkdirAll(dir, 0o700)
}

// writeFile makes a file with what write puts into it, as a whole or not at all. What it writes
// into has a name of its own each time: one that a crash has left is in nobody's way. A signal
// leaves none.
func writeFile(name string, write func(*os.File) error) (size int64, err error) {
	file, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.part")
	if err != nil {
		return 0, err
	}
	done := undoOnSignal(func() { _ = os.Remove(file.Name()) })
	defer done()
	err = write(file)
	if err == nil {
		err = file.Sync()
	}
	info, errStat := file.Stat()
	err = errors.Join(err, errStat, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return 0, errors.Join(err, os.Remove(file.Name()))
	}
	return info.Size(), syncDirectory(filepath.Dir(name))
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// writeSnapshot writes the State as a snapshot of ZooKeeper's.
func writeSnapshot(file *os.File, pack zkdata.Compression, state *core.State) error {
	var sessions []zkdata.Session
	for _, ss := range state.AppendSessions(nil) {
		sessions = append(sessions, zkdata.Session{ID: int64(ss.ID), TimeoutMs: ss.TimeoutMs})
	}
	w := zkdata.NewSnapshotWriter(file, pack, sessions, state.AppendACLs(nil))
	err := state.Walk(func(img core.Image) error {
		w.Node(img.Path, &zkdata.Node{Data: img.Data, ACL: img.ACL, Stat: zkdata.Stat{
			Czxid: int64(img.Czxid), Mzxid: int64(img.Mzxid), Pzxid: int64(img.Pzxid),
			Ctime: img.Ctime, Mtime: img.Mtime, Version: img.Version, Created: img.Created,
			Aversion: img.Aversion, Owner: img.Owner}})
		return nil
	})
	return errors.Join(err, w.Finish(int64(state.LastZxid())))
}
