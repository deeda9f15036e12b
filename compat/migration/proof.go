package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// proof is what is done for one kind of snapshot.
type proof struct {
	*migration
	pack   string
	report *report
	owners []owner // sessions of the load, by id
	// imported is what import said.
	imported importSummary
}

// answers is all that a server was asked.
type answers struct {
	tree     dump
	listed   map[string]string // sessions and their ephemerals, by the word dump
	sessions map[string]string // taken up again
	rights   map[string]string // user and path to outcomes
	numbers  map[string]string // parent to the name of the next znode
	left     map[string]string // paths once what was due has been reaped
}

func (p *proof) prove(ctx context.Context) error {
	killed, err := p.killUnderLoad(ctx)
	if err != nil {
		return err
	}
	original := filepath.Join(p.work, "original")
	imported, exported := filepath.Join(p.work, "imported"), filepath.Join(p.work, "exported")
	if err := os.CopyFS(original, os.DirFS(killed)); err != nil {
		return err
	}
	if err := p.importData(ctx, killed, imported); err != nil {
		return err
	}
	want, err := p.read(ctx, "ZooKeeper", original, p.startZooKeeper)
	if err != nil {
		return err
	}
	p.report.census(want.tree, p.znodes)
	got, err := p.read(ctx, "Vivarium", imported, p.startVivarium)
	if err != nil {
		return err
	}
	if err := p.exportData(ctx, imported, exported); err != nil {
		return err
	}
	if err := p.importAgain(ctx, exported); err != nil {
		return err
	}
	back, err := p.read(ctx, "export", exported, p.startZooKeeper)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		a         *answers
		name, dir string
		start     starter
	}{{want, "ZooKeeper", original, p.startZooKeeper}, {got, "Vivarium", imported,
		p.startVivarium}, {back, "export", exported, p.startZooKeeper}} {
		if err := p.write(ctx, step.a, want.tree, step.name, step.dir, step.start); err != nil {
			return err
		}
	}
	due := dueOf(want.tree)
	p.report.line("containers and TTL znodes due", "%d", len(due))
	if len(due) == 0 {
		return errors.New("nothing was to be reaped, so nothing is proven")
	}
	p.report.reaped("ZooKeeper itself", want, due)
	p.report.substance(want)
	p.compare("imported", want, got)
	p.compare("exported", want, back)
	return nil
}

// compare holds the answers of one server against the original's.
func (p *proof) compare(name string, want, got *answers) {
	r := p.report
	r.trees(name+": the tree", want.tree, got.tree)
	r.tables(name+": sessions listed", "sessions", want.listed, got.listed)
	r.tables(name+": sessions taken up", "sessions", want.sessions, got.sessions)
	r.tables(name+": rights", "questions", want.rights, got.rights)
	r.tables(name+": next numbers", "parents", want.numbers, got.numbers)
	r.tables(name+": left after reaping", "znodes", want.left, got.left)
}

// killUnderLoad returns the data directory of a real server that was killed at work.
func (p *proof) killUnderLoad(ctx context.Context) (string, error) {
	dir := filepath.Join(p.work, "killed")
	compression := strings.TrimPrefix(p.pack, "plain")
	s, err := p.startZooKeeper(ctx, "killed", dir, settings(never,
		fmt.Sprintf("zookeeper.snapCount=%d", max(1000, p.znodes/3)),
		"zookeeper.snapshot.compression.method="+compression))
	if err != nil {
		return "", err
	}
	defer s.kill()
	l := &load{addr: s.addr, owners: map[int64]owner{}}
	if err := l.prepare(ctx); err != nil {
		return "", fmt.Errorf("prepare the load: %w", err)
	}
	if err := l.run(ctx, p.znodes, s.kill); err != nil {
		return "", err
	}
	for _, c := range l.clients {
		p.owners = append(p.owners, l.owners[c.SessionID()])
	}
	slices.SortFunc(p.owners, func(a, b owner) int { return int(min(1, max(-1, a.ID-b.ID))) })
	p.report.line("killed under load", "after %d writes by %d sessions", l.writes.Load(),
		len(l.owners))
	return dir, nil
}

// importSummary is what import says, as far as it is used here.
type importSummary struct {
	Snapshot                     string
	Logs, Repeated, Transactions int
	Znodes, Ephemerals           int
	Containers, TTLs             int
	Sessions, ACLs               int
	Digest                       string // of the State
	TheirDigest                  string `json:"zookeeperDigest"`
	ElapsedMs                    int64
	Notices                      []string
}

// state is what has to be the same after a journey to ZooKeeper and back.
func (s *importSummary) state() map[string]string {
	return map[string]string{"digest": s.Digest, "znodes": fmt.Sprint(s.Znodes),
		"ephemerals": fmt.Sprint(s.Ephemerals), "containers": fmt.Sprint(s.Containers),
		"with a time to live": fmt.Sprint(s.TTLs), "sessions": fmt.Sprint(s.Sessions),
		"lists of rights": fmt.Sprint(s.ACLs)}
}

func (p *proof) importData(ctx context.Context, from, to string) error {
	sum := &p.imported
	if err := p.tool(ctx, sum, "import", "--from", from, "--to", to); err != nil {
		return err
	}
	p.report.line("import", "%s and %d transactions of %d logs in %d ms, digest %s",
		filepath.Base(sum.Snapshot), sum.Transactions, sum.Logs, sum.ElapsedMs, sum.TheirDigest)
	p.report.line("", "%d changes were in the snapshot already", sum.Repeated)
	for _, notice := range sum.Notices {
		p.report.line("", "notice: %s", notice)
	}
	// A snapshot of few znodes is written between two transactions.
	const small = 20_000
	if sum.Transactions == 0 || sum.Repeated == 0 && p.znodes >= small {
		return errors.New("the snapshot was not a fuzzy one with logs behind it, so nothing is " +
			"proven: run it again")
	}
	return nil
}

// importAgain compares what no client is shown, as the times to live: the digest is over all of the
// State.
func (p *proof) importAgain(ctx context.Context, exported string) error {
	var again importSummary
	to := filepath.Join(p.work, "again")
	if err := p.tool(ctx, &again, "import", "--from", exported, "--to", to); err != nil {
		return err
	}
	p.report.tables("export, imported again", "figures", p.imported.state(), again.state())
	return nil
}

func (p *proof) exportData(ctx context.Context, from, to string) error {
	var sum struct {
		Snapshot         string
		Znodes, Sessions int
		Bytes, ElapsedMs int64
	}
	args := []string{"export", "--from", from, "--to", to}
	if p.pack != "plain" {
		args = append(args, "--compress", p.pack)
	}
	if err := p.tool(ctx, &sum, args...); err != nil {
		return err
	}
	p.report.line("export", "%s, %d znodes, %d sessions, %d bytes in %d ms",
		filepath.Base(sum.Snapshot), sum.Znodes, sum.Sessions, sum.Bytes, sum.ElapsedMs)
	return nil
}

// starter starts a kind of server.
type starter func(ctx context.Context, name, data string, properties []string) (*server, error)

// read asks a server what changes nothing.
func (p *proof) read(ctx context.Context, name, dir string, start starter) (*answers, error) {
	s, err := start(ctx, name, dir, settings(never))
	if err != nil {
		return nil, err
	}
	defer s.kill()
	a := &answers{tree: dump{}, sessions: map[string]string{}, rights: map[string]string{}}
	if a.listed, err = listedSessions(s); err != nil {
		return nil, err
	}
	err = p.ask(ctx, s, "dump", nil, func(line []byte) error {
		var n znode
		err := json.Unmarshal(line, &n)
		a.tree[n.Path] = n
		return err
	})
	if err != nil {
		return nil, err
	}
	var wanted [][]any
	for _, o := range p.owners {
		wanted = append(wanted, []any{o.ID, hex.EncodeToString(o.Password), o.TimeoutMs})
	}
	err = p.ask(ctx, s, "sessions", wanted, func(line []byte) error {
		var row struct {
			Session    int64
			Timeout    int
			Ephemerals []string
		}
		err := json.Unmarshal(line, &row)
		a.sessions[fmt.Sprintf("%#x", uint64(row.Session))] = fmt.Sprintf("time-out %d, %q",
			row.Timeout, row.Ephemerals)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = p.ask(ctx, s, "probe", probesOf(a.tree), func(line []byte) error {
		var row struct {
			User, Path string
			Outcomes   []string
		}
		err := json.Unmarshal(line, &row)
		a.rights[row.User+" at "+row.Path] = strings.Join(row.Outcomes, " ")
		return err
	})
	if err != nil {
		return nil, err
	}
	return a, s.stop()
}

var (
	hexNumber = regexp.MustCompile(`0x[0-9a-f]+`)
	listOwner = regexp.MustCompile(`^(0x[0-9a-f]+):$`)
)

// listedSessions reads the answer to the word dump: every session, with its ephemerals.
func listedSessions(s *server) (map[string]string, error) {
	text, err := s.word("dump")
	if err != nil {
		return nil, err
	}
	list := map[string]string{}
	tracker, rest, _ := strings.Cut(text, "ephemeral nodes dump:")
	for _, id := range hexNumber.FindAllString(tracker, -1) {
		list[id] = ""
	}
	rest, _, _ = strings.Cut(rest, "Connections dump:")
	paths := map[string][]string{}
	owner := ""
	for line := range strings.Lines(rest) {
		line = strings.TrimRight(line, "\n")
		if m := listOwner.FindStringSubmatch(line); m != nil {
			owner = m[1]
		} else if path, ok := strings.CutPrefix(line, "\t"); ok {
			paths[owner] = append(paths[owner], path)
		}
	}
	for id, p := range paths {
		slices.Sort(p)
		list[id] = strings.Join(p, " ")
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("dump of %s names no session: %.200q", s.name, text)
	}
	return list, nil
}

// probesOf chooses a few znodes of each list of rights.
func probesOf(tree dump) []string {
	const each = 3
	seen := map[string]int{}
	var paths []string
	for _, path := range slices.Sorted(maps.Keys(tree)) {
		n := tree[path]
		if list := fmt.Sprint(n.ACL); seen[list] < each && path != "/" {
			seen[list]++
			paths = append(paths, path)
		}
	}
	return paths
}

// write asks a server what changes it: sequence numbers first, then what is reaped.
func (p *proof) write(ctx context.Context, a *answers, original dump, name, dir string,
	start starter) error {

	s, err := start(ctx, name+"-numbers", dir, settings(never))
	if err != nil {
		return err
	}
	defer s.kill()
	a.numbers, a.left = map[string]string{}, map[string]string{}
	err = p.ask(ctx, s, "number", parentsOf(original), func(line []byte) error {
		var row struct{ Parent, Name string }
		err := json.Unmarshal(line, &row)
		a.numbers[row.Parent] = row.Name
		return err
	})
	if err != nil {
		return err
	}
	if err := s.stop(); err != nil {
		return err
	}
	if s, err = start(ctx, name+"-reaping", dir, settings("300")); err != nil {
		return err
	}
	defer s.kill()
	err = p.ask(ctx, s, "list", dueOf(original), func(line []byte) error {
		var path string
		err := json.Unmarshal(line, &path)
		a.left[path] = "there"
		return err
	})
	if err != nil {
		return err
	}
	return s.stop()
}

// parentsOf are the znodes that have children, or have had some, but for those that are to be
// reaped.
func parentsOf(tree dump) []string {
	due := map[string]bool{}
	for _, path := range dueOf(tree) {
		due[path] = true
	}
	parents := []string{"/"}
	for _, path := range slices.Sorted(maps.Keys(tree)) {
		n := tree[path]
		if n.Stat[statCversion] == 0 || path == "/" || strings.HasPrefix(path, "/zookeeper") ||
			due[path] {
			continue
		}
		parents = append(parents, path)
	}
	return parents
}

// dueOf are the containers that have lost their last child, and the childless znodes whose time to
// live is over.
func dueOf(tree dump) []string {
	var due []string
	for _, path := range slices.Sorted(maps.Keys(tree)) {
		n := tree[path]
		used := kindOf(&n) == "containers" && n.Stat[statCversion] > 0
		if n.Stat[statKids] == 0 && (used || strings.HasPrefix(path, shortLived) &&
			kindOf(&n) == "with a time to live") {
			due = append(due, path)
		}
	}
	return due
}

// reaped sees that what was due is gone, and nothing else.
func (r *report) reaped(what string, a *answers, due []string) {
	var faults []string
	gone := map[string]bool{}
	for _, path := range due {
		gone[path] = true
		if a.left[path] != "" {
			faults = append(faults, fmt.Sprintf("%q was due and is there", path))
		}
	}
	for path := range a.tree {
		if a.left[path] == "" && !gone[path] {
			faults = append(faults, fmt.Sprintf("%q was not due and is gone", path))
		}
	}
	r.result(what+": reaped", fmt.Sprintf("%d znodes", len(due)), faults)
}
