package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/vivariumdb/vivarium/internal/printable"
	"github.com/vivariumdb/vivarium/linearizability"
)

type checkFlags struct {
	all    bool
	output outputFlag
}

// errViolated is what check ends with when a judge objects.
var errViolated = errors.New("the history is not one of a correct service")

func newCheck() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Judge a recorded history of clients and servers",
		Long: "Judge a history: what clients asked for and were told, and if the recorder knew\n" +
			"it, what was committed and what befell the servers, as lines of JSON. The\n" +
			"simulator writes such files; so can whoever records a real service. The comment of\n" +
			"package linearizability says what a line holds. FILE may be - for standard input;\n" +
			"one whose name ends in .gz is unpacked.\n\n" +
			"Exit codes: 0 no judge objects, 1 a judge objects or the file cannot be read,\n" +
			"2 usage, or the file is no history.",
		Example: "  vivarium check history.jsonl\n" +
			"  vivarium check -o json history.jsonl.gz\n" +
			"  vivarium-sim run --seed 7 --history world.jsonl; vivarium check world.jsonl\n" +
			"  zstd -dc world.jsonl.zst | vivarium check -",
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			return checkHistory(cmd, f, args[0])
		},
	}
	cmd.Flags().BoolVarP(&f.all, "all", "a", false, "show all violations, not only the first five")
	f.output.add(cmd)
	return cmd
}

func checkHistory(cmd *cobra.Command, f checkFlags, name string) error {
	if err := f.output.check(); err != nil {
		return err
	}
	h, err := readHistory(cmd.InOrStdin(), name)
	if err != nil {
		return err
	}
	r := linearizability.Judge(h)
	if err := f.output.print(cmd.OutOrStdout(), newVerdict(name, h, r, f.all)); err != nil {
		return err
	}
	if !r.OK() {
		return errViolated
	}
	return nil
}

// readHistory reads a file, or standard input.
func readHistory(stdin io.Reader, name string) (*linearizability.History, error) {
	in := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	in = bufio.NewReaderSize(in, 1<<16)
	if strings.HasSuffix(name, ".gz") {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return nil, notRead(name, err)
		}
		in = unpacked
	}
	h, err := linearizability.Read(in)
	if err != nil {
		return nil, notRead(name, err)
	}
	return h, nil
}

// notRead tells a file that cannot be read from one that is no history, a mistake of the caller.
func notRead(name string, err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return err
	}
	return usageError{fmt.Errorf("%s: %w", name, err)}
}

// verdict is what the judges say of a file.
type verdict struct {
	File      string                    `json:"file"`
	Name      string                    `json:"name,omitempty"`
	Seed      uint64                    `json:"seed,omitempty"`
	OK        bool                      `json:"ok"`
	Judges    []judged                  `json:"judges"`
	Porcupine linearizability.Porcupine `json:"porcupine"`
	Unjudged  int                       `json:"unjudged"`
	// Violations are the first that each judge found, and Dropped says how many more there are.
	Violations []violation `json:"violations"`
	Dropped    int         `json:"dropped"`

	shown int // how many violations people see
}

type judged struct {
	Judge      string `json:"judge"`
	Checked    int    `json:"checked"`
	Of         string `json:"of"`
	Violations int    `json:"violations"`
	Why        string `json:"why,omitempty"`
}

type violation struct {
	Judge string         `json:"judge"`
	Text  string         `json:"text"`
	Lines []violatedLine `json:"lines"`
}

type violatedLine struct {
	No   int    `json:"no"`
	Text string `json:"text"`
}

func newVerdict(name string, h *linearizability.History, r *linearizability.Report, all bool,
) *verdict {
	v := &verdict{File: name, Name: h.Header.Name, Seed: h.Header.Seed, OK: r.OK(),
		Porcupine: r.Porcupine, Unjudged: r.Unjudged, Judges: []judged{}, Violations: []violation{},
		Dropped: r.Dropped, shown: 5}
	if all {
		v.shown = len(r.Violations)
	}
	found := map[string]int{}
	for _, bad := range r.Violations {
		found[bad.Judge]++
		one := violation{Judge: bad.Judge, Text: bad.Text, Lines: []violatedLine{}}
		for _, no := range bad.Lines {
			if i := no - 2; i >= 0 && i < len(h.Lines) {
				one.Lines = append(one.Lines, violatedLine{no, string(h.Lines[i].AppendTo(nil))})
			}
		}
		v.Violations = append(v.Violations, one)
	}
	for _, c := range r.Judges {
		v.Judges = append(v.Judges, judged{c.Judge, c.Checked, c.Of, found[c.Judge], c.Why})
	}
	return v
}

// String is the verdict for people.
func (v *verdict) String() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s", v.File)
	if v.Name != "" {
		fmt.Fprintf(&b, ": %s", printable.Text(v.Name))
	}
	if v.Seed != 0 {
		fmt.Fprintf(&b, ", seed %d", v.Seed)
	}
	b.WriteByte('\n')
	for _, j := range v.Judges {
		fmt.Fprintf(&b, "  %-12s %9d %s", j.Judge, j.Checked, j.Of)
		if j.Judge == linearizability.JudgePorcupine && j.Why == "" {
			fmt.Fprintf(&b, " in %d windows of %d components, %d weakened, %d inconclusive",
				v.Porcupine.Windows, v.Porcupine.Components, v.Porcupine.Weakened,
				v.Porcupine.Inconclusive)
		}
		if j.Violations > 0 {
			fmt.Fprintf(&b, ", %d violations", j.Violations)
		}
		if j.Why != "" {
			fmt.Fprintf(&b, " (%s)", j.Why)
		}
		b.WriteByte('\n')
	}
	if v.Unjudged > 0 {
		fmt.Fprintf(&b, "  %d reads and events were not judged\n", v.Unjudged)
	}
	for i, bad := range v.Violations {
		if i == v.shown {
			fmt.Fprintf(&b, "and %d more (--all shows them)\n", len(v.Violations)-i)
			break
		}
		fmt.Fprintf(&b, "VIOLATION %s: %s\n", bad.Judge, printable.Lines(bad.Text))
		for _, l := range bad.Lines {
			fmt.Fprintf(&b, "  line %d: %s\n", l.No, printable.Text(l.Text))
		}
	}
	if v.Dropped > 0 {
		fmt.Fprintf(&b, "and %d more that are not kept\n", v.Dropped)
	}
	switch {
	case !v.OK:
		fmt.Fprintf(&b, "%d violations", len(v.Violations)+v.Dropped)
	case len(v.Judges) == 0:
		b.WriteString("nothing was judged: the history has no line behind its header")
	default:
		b.WriteString("no violation")
	}
	return b.String()
}
