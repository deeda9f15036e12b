package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// corpusFile is the standing corpus, from the root of the module.
const corpusFile = "sim/testdata/corpus.txt"

// member is a world of the standing corpus.
type member struct {
	seed uint64
	set  []string // knobs, as Name=number
	// why lists the rarest of what it reaches: meetings, as package sim names them, and blocks of
	// statements, as file:function+line.
	why []string
}

func (m *member) task() task { return task{Seed: m.seed, Set: m.set, Reach: true} }

// corpus is the standing corpus.
type corpus struct {
	meetings, blocks int // kinds of each that all worlds reached together when it was made
	members          []member
}

const corpusHead = `# The standing corpus: worlds that together reach what few others do.
# make corpus runs it, and make corpus-grow makes it anew, as it must be when package sim has
# changed what a seed does. Each line is a seed, knobs that are set, and the rarest of what that
# world reached.
`

// write writes the corpus. It is read by people, and by readCorpus.
func (c *corpus) write(w io.Writer) error {
	b := bytes.NewBufferString(corpusHead)
	_, _ = fmt.Fprintf(b, "reached\t%d meetings\t%d blocks\n", c.meetings, c.blocks)
	for _, m := range c.members {
		_, _ = fmt.Fprintf(b, "%d\t%s\t%s\n", m.seed, strings.Join(m.set, " "),
			strings.Join(m.why, "; "))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// readCorpus reads what write wrote.
func readCorpus(r io.Reader) (*corpus, error) {
	c := &corpus{}
	lines := bufio.NewScanner(r)
	for no := 1; lines.Scan(); no++ {
		text := strings.TrimRight(lines.Text(), "\r")
		if text == "" || text[0] == '#' {
			continue
		}
		if strings.HasPrefix(text, "reached\t") {
			if _, err := fmt.Sscanf(text, "reached\t%d meetings\t%d blocks", &c.meetings,
				&c.blocks); err != nil {
				return nil, fmt.Errorf("read corpus: line %d: %w", no, err)
			}
			continue
		}
		fields := strings.Split(text, "\t")
		seed, err := strconv.ParseUint(fields[0], 10, 64)
		if err != nil || len(fields) != 3 {
			return nil, fmt.Errorf("read corpus: line %d: not a seed, knobs and reasons", no)
		}
		m := member{seed: seed, set: strings.Fields(fields[1])}
		if fields[2] != "" {
			m.why = strings.Split(fields[2], "; ")
		}
		c.members = append(c.members, m)
	}
	return c, lines.Err()
}

func openCorpus(name string) (*corpus, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read corpus: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	return readCorpus(file)
}

// corpusFlags are those of the command corpus.
type corpusFlags struct {
	file, output string
	workers      int
	coverage     bool
	grow         grower
}

func newCorpus(s streams) *cobra.Command {
	var f corpusFlags
	c := &cobra.Command{Use: "corpus", Args: cobra.NoArgs,
		Short: "run the standing corpus of worlds, or make it anew",
		RunE: func(*cobra.Command, []string) error {
			if f.grow.tries > 0 {
				return f.grow.run(s, &f)
			}
			return runCorpus(s, &f)
		}}
	fs := c.Flags()
	fs.StringVar(&f.file, "file", corpusFile, "the file of the corpus")
	fs.StringVarP(&f.output, "output", "o", "text", "text, or json")
	fs.IntVar(&f.workers, "workers", runtime.NumCPU(), "processes that run worlds")
	fs.BoolVar(&f.coverage, "coverage", false, "count the blocks that are reached, too; slow")
	fs.Uint64Var(&f.grow.tries, "grow", 0, "look at so many worlds and make the corpus anew")
	fs.Uint64Var(&f.grow.from, "from", 1, "when it grows: the first seed")
	fs.IntVar(&f.grow.most, "keep", 300, "when it grows: keep so many worlds at most,")
	fs.DurationVar(&f.grow.budget, "budget", 120*time.Second,
		"that take so much time of one processor at most")
	return c
}

// standing is what a run of the corpus has to tell.
type standing struct {
	Worlds      int       `json:"worlds"`
	Seconds     float64   `json:"seconds"`
	Failed      []uint64  `json:"failed"`
	Violations  []finding `json:"violations,omitempty"`
	Meetings    int       `json:"meetings"`    // kinds that were reached,
	WasMeetings int       `json:"wasMeetings"` // and when the corpus was made
	Blocks      int       `json:"blocks"`      // 0 if not counted
	WasBlocks   int       `json:"wasBlocks"`   // when it was made
	Reasons     int       `json:"reasons"`     // for which worlds were kept, of those looked for,
	StillThere  int       `json:"stillThere"`  // reached by any world,
	InOwnWorld  int       `json:"inOwnWorld"`  // and by the very world that was kept for it
	PerCPUHour  float64   `json:"perCPUHour"`  // worlds
	Longest     float64   `json:"longestTime"` // of a world, in seconds of a processor
}

// runCorpus runs all worlds of the corpus.
func runCorpus(s streams, f *corpusFlags) error {
	c, err := openCorpus(f.file)
	if err != nil {
		return err
	}
	if len(c.members) == 0 {
		return fmt.Errorf("run corpus: %s names no world", f.file)
	}
	run, err := newRunner(f.workers, f.coverage)
	if err != nil {
		return err
	}
	defer run.close()
	out := standing{WasMeetings: c.meetings, WasBlocks: c.blocks, Failed: []uint64{}}
	start, last := time.Now(), time.Now()
	all := map[string]bool{}
	own := make([]map[string]bool, len(c.members))
	var nanos int64
	next := 0
	run.work(func() (int, task, bool) {
		next++
		if next > len(c.members) {
			return 0, task{}, false
		}
		return next - 1, c.members[next-1].task(), true
	}, func(i int, t task, r *reach) {
		out.Worlds++
		nanos += r.verdict.Nanos
		out.Longest = max(out.Longest, float64(r.verdict.Nanos)/1e9)
		own[i] = r.all
		for what := range r.all { //order-free: a set
			all[what] = true
		}
		if len(r.verdict.Violations) > 0 {
			out.Failed = append(out.Failed, t.Seed)
			out.Violations = append(out.Violations, r.verdict.Violations...)
			v := r.verdict.Violations[0]
			_, _ = fmt.Fprintf(s.err, "seed %d: VIOLATION %s: %s\n  %s\n", t.Seed, v.Judge, v.Text,
				replay(t))
		}
		if time.Since(last) > 5*time.Second {
			last = time.Now()
			_, _ = fmt.Fprintf(s.err, "%d of %d worlds, %d with violations\n", out.Worlds,
				len(c.members), len(out.Failed))
		}
	})
	if run.err != nil {
		return run.err
	}
	out.Seconds = time.Since(start).Seconds()
	out.PerCPUHour = float64(out.Worlds) / float64(max(nanos, 1)) * 3600e9
	out.compare(c, all, own, f.coverage)
	if err := out.print(s.out, f.output); err != nil {
		return err
	}
	if len(out.Failed) > 0 {
		return errFound
	}
	return nil
}

// compare says how much of what worlds were kept for is still reached.
func (s *standing) compare(c *corpus, all map[string]bool, own []map[string]bool, blocks bool) {
	for what := range all { //order-free: counts
		if isBlock(what) {
			s.Blocks++
		} else {
			s.Meetings++
		}
	}
	for i, m := range c.members {
		for _, what := range m.why {
			if isBlock(what) && !blocks {
				continue
			}
			s.Reasons++
			if all[what] {
				s.StillThere++
			}
			if own[i][what] {
				s.InOwnWorld++
			}
		}
	}
}

// isBlock tells a block of statements from a meeting.
func isBlock(what string) bool { return strings.Contains(what, ".go:") }

func (s *standing) print(w io.Writer, output string) error {
	if output == "json" {
		return printJSON(w, s)
	}
	slices.Sort(s.Failed)
	share := func(n, of int) string {
		return fmt.Sprintf("%d of %d, %.0f %%", n, of, 100*float64(n)/float64(max(of, 1)))
	}
	_, err := fmt.Fprintf(w, "%d worlds in %.0f s, %.0f per CPU-hour, the longest %.1f s\n"+
		"kinds of meetings: %d; %d when the corpus was made\n"+
		"what worlds were kept for: still reached %s; by its own world %s\n", s.Worlds, s.Seconds,
		s.PerCPUHour, s.Longest, s.Meetings, s.WasMeetings, share(s.StillThere, s.Reasons),
		share(s.InOwnWorld, s.Reasons))
	if s.Blocks > 0 {
		_, _ = fmt.Fprintf(w, "blocks of core and replication: %s\n", share(s.Blocks, s.WasBlocks))
	}
	if 2*s.StillThere < s.Reasons {
		_, _ = fmt.Fprintln(w, "less than half: make corpus-grow makes the corpus anew")
	}
	if len(s.Failed) > 0 {
		_, _ = fmt.Fprintf(w, "%d worlds with violations: %v\n", len(s.Failed), s.Failed)
	} else {
		_, _ = fmt.Fprintln(w, "no violation")
	}
	return err
}

var errNoWorld = errors.New("no world was kept")
