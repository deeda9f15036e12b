package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/zkdata"
	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/server"
)

type importFlags struct {
	from, fromLog, to, toLog string
	acceptGaps, quiet        bool
	output                   outputFlag
}

func newImport() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Make a data directory from a stopped ZooKeeper's",
		Long: "Make a data directory from that of a ZooKeeper 3.4 to 3.9, which must be\n" +
			"stopped.\n\n" +
			"The newest snapshot that is whole (plain, gz or snappy) is read and the logs\n" +
			"behind it are replayed. Every znode is kept with its Stat and ACL, sequence\n" +
			"counters, quotas, and sessions with their ephemerals: clients go on with the\n" +
			"sessions they have. Nothing in --from is changed; --to must hold no data.\n\n" +
			"Of an ensemble, stop all servers and import from the one with the largest zxid.",
		Example: "  vivarium import --from /var/lib/zookeeper --to /var/lib/vivarium\n" +
			"  vivarium import --from /data --from-log /datalog --to /new --to-log /newlog -o json",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return importData(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "ZooKeeper's dataDir, a `directory`")
	flags.StringVar(&f.fromLog, "from-log", "", "its dataLogDir, a `directory` (dataDir)")
	flags.StringVar(&f.to, "to", "", "the new dataDir, a `directory`")
	flags.StringVar(&f.toLog, "to-log", "", "the new dataLogDir, a `directory` (dataDir)")
	flags.BoolVar(&f.acceptGaps, "accept-gaps", false,
		"take what is there although transactions are missing")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "do not say how far it is")
	f.output.add(cmd)
	return cmd
}

// importSummary is what was imported.
type importSummary struct {
	Snapshot   string   `json:"snapshot"`
	Logs       int      `json:"logs"`
	Txns       int      `json:"transactions"`
	Repeated   int      `json:"repeated"` // changes that the snapshot held already
	Zxid       string   `json:"zxid"`
	Znodes     int      `json:"znodes"`
	Ephemerals int      `json:"ephemerals"`
	Containers int      `json:"containers"`
	TTLs       int      `json:"ttls"`
	Sessions   int      `json:"sessions"`
	ACLs       int      `json:"acls"`
	Digest     string   `json:"digest"`
	SameDigest string   `json:"zookeeperDigest"` // same, different or unknown
	Orphans    int      `json:"orphans"`
	Notices    []string `json:"notices"`
	ElapsedMs  int64    `json:"elapsedMs"`
	DataDir    string   `json:"dataDir"`
	FirstTerm  uint64   `json:"term"`
	ClockMs    int64    `json:"clockMs"`
}

// String is the summary for people.
func (s importSummary) String() string {
	var b strings.Builder
	for _, n := range s.Notices {
		fmt.Fprintf(&b, "notice: %s\n", n)
	}
	fmt.Fprintf(&b, "imported %d znodes (%d ephemeral, %d containers, %d with a time to live), "+
		"%d sessions, %d ACLs\n", s.Znodes, s.Ephemerals, s.Containers, s.TTLs, s.Sessions, s.ACLs)
	fmt.Fprintf(&b, "from %s and %d transactions in %d logs, up to zxid %s\n", s.Snapshot, s.Txns,
		s.Logs, s.Zxid)
	fmt.Fprintf(&b, "the digest is %s, compared with ZooKeeper's own: %s\n", s.Digest, s.SameDigest)
	fmt.Fprintf(&b, "into %s, in %v", s.DataDir, time.Duration(s.ElapsedMs)*time.Millisecond)
	return b.String()
}

func importData(cmd *cobra.Command, f importFlags) error {
	if err := errors.Join(required(cmd, "from", "to"), f.output.check()); err != nil {
		return err
	}
	began := time.Now()
	say := progress(cmd.ErrOrStderr(), f.quiet)
	dirs, err := server.MakeDirectories(f.to, f.toLog)
	if err != nil {
		return err
	}
	touched := false
	defer func() { dirs.Release(!touched) }()
	if err := dirs.CheckVacant(); err != nil {
		return err
	}
	tree, report, err := zkdata.Load(zkdata.Source{DataDir: f.from, LogDir: f.fromLog,
		AcceptGaps: f.acceptGaps, Logf: say})
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	say("building the state of %d znodes", tree.Len())
	state, err := stateOf(tree, began)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	s := summarise(state, tree, report)
	tree = nil // its memory is needed
	say("writing %s", f.to)
	touched = true
	if err := dirs.Found(state); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	s.DataDir, s.ElapsedMs = f.to, time.Since(began).Milliseconds()
	return f.output.print(cmd.OutOrStdout(), s)
}

func summarise(state *core.State, tree *zkdata.Tree, r *zkdata.Report) importSummary {
	s := importSummary{Snapshot: r.Snapshot, Logs: r.Logs, Txns: r.Txns,
		Repeated: r.Repeated,
		Zxid:     state.LastZxid().String(), Znodes: state.NodeCount() - 1,
		Ephemerals: state.EphemeralCount(), Containers: state.ContainerCount(),
		TTLs: state.TTLCount(), Sessions: state.SessionCount(), ACLs: state.ACLCount(),
		SameDigest: string(r.Digest), Orphans: r.Orphans, FirstTerm: state.Term(),
		ClockMs: state.Clock(), Notices: []string{}}
	digest := state.Digest()
	s.Digest = fmt.Sprintf("%x", digest)
	for _, list := range [][]error{r.Damaged, r.Torn, r.Gaps} {
		for _, err := range list {
			s.Notices = append(s.Notices, err.Error())
		}
	}
	if r.Orphans > 0 {
		s.Notices = append(s.Notices, fmt.Sprintf("%d ephemerals whose sessions had ended were "+
			"left out, as ZooKeeper does", r.Orphans))
	}
	if config := configOf(tree); config != "" {
		s.Notices = append(s.Notices, "/zookeeper/config still names ZooKeeper's servers; clients "+
			"that follow it must be told of the new ones: "+config)
	}
	return s
}

// configOf returns the servers that the tree names.
func configOf(t *zkdata.Tree) string {
	config := ""
	_ = t.Walk(func(path string, n *zkdata.Node) error {
		if path == "/zookeeper/config" {
			config = strings.ReplaceAll(strings.TrimSpace(string(n.Data)), "\n", ", ")
		}
		return nil
	})
	return config
}

// stateOf turns ZooKeeper's tree into a State that an ensemble can be founded with.
func stateOf(t *zkdata.Tree, now time.Time) (*core.State, error) {
	b := core.NewBuilder()
	for _, ss := range t.Sessions() {
		password := zkdata.Password(ss.ID)
		err := b.AddSession(core.SessionID(ss.ID), ss.TimeoutMs, sha256.Sum256(password[:]))
		if err != nil {
			return nil, err
		}
	}
	err := t.Walk(func(path string, n *zkdata.Node) error {
		st := &n.Stat
		return b.AddNode(core.Image{Path: path, Data: n.Data, ACL: n.ACL,
			Czxid: core.Zxid(st.Czxid), Mzxid: core.Zxid(st.Mzxid), Pzxid: core.Zxid(st.Pzxid),
			Ctime: st.Ctime, Mtime: st.Mtime, Version: st.Version, Aversion: st.Aversion,
			Created: st.Created, Owner: st.Owner})
	})
	if err != nil {
		return nil, err
	}
	b.CountQuotas()
	return b.Finish(core.Founding{Index: replication.FoundingIndex, Term: termFor(t),
		LastZxid: core.Zxid(t.Zxid), ClockMs: min(t.TimeMs, now.UnixMilli())})
}

// termFor chooses the term in which the ensemble is founded: ZooKeeper's epoch, so that the high
// half of a zxid goes on rising. Session ids are zxids with us, and a server with myid 0 gives
// ids that are small numbers: ours must be larger.
func termFor(t *zkdata.Tree) uint64 {
	const largest = 1 << 52 // zxids of epochs that nobody will see
	term := max(uint64(t.Zxid)>>32, replication.FoundingTerm)
	for _, ss := range t.Sessions() {
		if ss.ID > 0 && ss.ID < largest {
			term = max(term, uint64(ss.ID)>>32)
		}
	}
	return term
}
