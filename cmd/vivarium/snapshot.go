package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/server/snapshot"
)

// snapshotFlags are those of the three verbs.
type snapshotFlags struct {
	data, log string
	output    outputFlag
}

func newSnapshot() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "Save, restore and verify backups",
		Long: "A snapshot is the whole state at one moment in one file: znodes, sessions, zxid\n" +
			"and digest, under checksums.",
		Example: "  vivarium snapshot save --data-dir /var/lib/vivarium backup.viv\n" +
			"  vivarium snapshot verify backup.viv",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSnapshotSave(), newSnapshotRestore(), newSnapshotVerify())
	return cmd
}

func (f *snapshotFlags) add(cmd *cobra.Command, whose string) {
	flags := cmd.Flags()
	flags.StringVar(&f.data, "data-dir", "", "dataDir of "+whose+", a `directory`")
	flags.StringVar(&f.log, "data-log-dir", "", "its dataLogDir, a `directory` (dataDir)")
	f.output.add(cmd)
}

// oneFile takes the name of a snapshot as the only argument.
func oneFile(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{fmt.Errorf("%s takes the name of one file; see %s --help",
			cmd.CommandPath(), cmd.CommandPath())}
	}
	return nil
}

func newSnapshotSave() *cobra.Command {
	var f snapshotFlags
	cmd := &cobra.Command{
		Use:   "save FILE",
		Short: "Write a snapshot of a running or a stopped server",
		Long: "Write a snapshot of the server whose data lies in --data-dir. If it runs, it is\n" +
			"asked by the socket in that directory, and goes on serving meanwhile; else its\n" +
			"files are read. FILE must not be there yet; it appears once it is whole.",
		Example: "  vivarium snapshot save --data-dir /var/lib/vivarium backup.viv\n" +
			"  vivarium snapshot save --data-dir data -o json \"$(date +%F).viv\"",
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			return saveSnapshot(cmd, f, args[0])
		},
	}
	f.add(cmd, "the server")
	return cmd
}

func newSnapshotRestore() *cobra.Command {
	var f snapshotFlags
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make a data directory from a snapshot",
		Long: "Make a new data directory from a snapshot. Znodes and sessions are those of the\n" +
			"snapshot; its clients can go on with their sessions. Writes get zxids that no\n" +
			"write after the snapshot can have had. --data-dir must hold no data.",
		Example: "  vivarium snapshot restore --data-dir /var/lib/vivarium backup.viv\n" +
			"  vivarium snapshot restore --data-dir data --data-log-dir log -o json backup.viv",
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			return restoreSnapshot(cmd, f, args[0])
		},
	}
	f.add(cmd, "the new server")
	return cmd
}

func newSnapshotVerify() *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Say whether a snapshot is whole, and what is in it",
		Long: "Read a snapshot as restore does, and compare its checksums and its digest. The\n" +
			"state is loaded for that, into as much memory as a server needs.",
		Example: "  vivarium snapshot verify backup.viv\n" +
			"  vivarium snapshot verify -o json backup.viv",
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			_, sum, err := readSnapshot(args[0])
			if err != nil {
				return err
			}
			return output.print(cmd.OutOrStdout(), sum)
		},
	}
	output.add(cmd)
	return cmd
}

// snapshotSummary is what is in a snapshot.
type snapshotSummary struct {
	File      string `json:"file"`
	Bytes     int64  `json:"bytes"`
	Index     uint64 `json:"index"`
	Term      uint64 `json:"term"`
	Zxid      string `json:"zxid"`
	Time      string `json:"time"` // the State's
	Znodes    int    `json:"znodes"`
	Sessions  int    `json:"sessions"`
	Digest    string `json:"digest"`
	Online    bool   `json:"online,omitempty"`  // save: from a running server
	DataDir   string `json:"dataDir,omitempty"` // restore: what was made
	ElapsedMs int64  `json:"elapsedMs"`
}

// String is the summary for people.
func (s snapshotSummary) String() string {
	text := fmt.Sprintf("%s: %d bytes, whole: %d znodes, %d sessions, up to zxid %s of %s, "+
		"digest %s", s.File, s.Bytes, s.Znodes, s.Sessions, s.Zxid, s.Time, s.Digest)
	if s.DataDir != "" {
		text += "\nrestored into " + s.DataDir
	}
	return text
}

// readSnapshot loads a snapshot, which checks all of it.
func readSnapshot(name string) (*core.State, snapshotSummary, error) {
	began := time.Now()
	sum := snapshotSummary{File: name}
	file, err := os.Open(name)
	if err != nil {
		return nil, sum, err
	}
	defer file.Close()
	state, err := snapshot.Read(file)
	if err != nil {
		return nil, sum, fmt.Errorf("snapshot %s: %w", name, err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, sum, err
	}
	digest := state.Digest()
	sum.Bytes, sum.Index, sum.Term = info.Size(), state.Index(), state.Term()
	sum.Zxid, sum.Digest = state.LastZxid().String(), fmt.Sprintf("%x", digest)
	sum.Time = time.UnixMilli(state.Clock()).UTC().Format(time.RFC3339)
	sum.Znodes, sum.Sessions = state.NodeCount()-1, state.SessionCount()
	sum.ElapsedMs = time.Since(began).Milliseconds()
	return state, sum, nil
}

func saveSnapshot(cmd *cobra.Command, f snapshotFlags, name string) error {
	if err := errors.Join(required(cmd, "data-dir"), f.output.check()); err != nil {
		return err
	}
	began := time.Now()
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("%s is there already: name another file, or remove it", name)
	}
	online, err := takeSnapshot(f, name)
	if err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	// What was written is read back: a backup that cannot be restored is found out now.
	_, sum, err := readSnapshot(name)
	if err != nil {
		return err
	}
	sum.Online, sum.ElapsedMs = online, time.Since(began).Milliseconds()
	return f.output.print(cmd.OutOrStdout(), sum)
}

// takeSnapshot writes a snapshot from the server if it runs, else from its files.
func takeSnapshot(f snapshotFlags, name string) (online bool, err error) {
	from, err := server.OpenSnapshot(f.data)
	if err == nil {
		defer from.Close()
		_, err = writeFile(name, func(file *os.File) error {
			return snapshot.Check(io.TeeReader(from, file))
		})
		return true, err
	}
	if !errors.Is(err, server.ErrNotRunning) {
		return true, err
	}
	loaded, err := loadStopped(f.data, f.log, func(string, ...any) {})
	if err != nil {
		return false, err
	}
	_, err = writeFile(name, func(file *os.File) error {
		return snapshot.Write(file, loaded.State)
	})
	return false, err
}

// afterSnapshot is how many terms a restored ensemble leaves out: more than there can have been
// elections after the snapshot was taken, so that no zxid is given twice.
const afterSnapshot = 1000

func restoreSnapshot(cmd *cobra.Command, f snapshotFlags, name string) error {
	if err := errors.Join(required(cmd, "data-dir"), f.output.check()); err != nil {
		return err
	}
	began := time.Now()
	state, sum, err := readSnapshot(name)
	if err != nil {
		return err
	}
	state, err = state.Refound(replication.FoundingIndex, state.Term()+afterSnapshot)
	if err != nil {
		return fmt.Errorf("restore snapshot: %w", err)
	}
	dirs, err := server.MakeDirectories(f.data, f.log)
	if err != nil {
		return err
	}
	defer func() { dirs.Release(err != nil) }()
	if err = dirs.Found(state); err != nil {
		return fmt.Errorf("restore snapshot: %w", err)
	}
	sum.DataDir, sum.ElapsedMs = f.data, time.Since(began).Milliseconds()
	return f.output.print(cmd.OutOrStdout(), sum)
}
