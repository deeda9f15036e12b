package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/internal/splice"
)

// catches is what `mutants` has found out.
type catches struct {
	From    uint64   `json:"from"`
	Sweeps  int      `json:"sweeps"`
	Most    uint64   `json:"most"` // worlds of one sweep
	Mutants []*catch `json:"mutants"`
	Missed  int      `json:"missed"` // mutants that some sweep has missed
	// Median and Worst are over the mutants that are no smoke tests, of the median of their sweeps:
	// the middle one, and the one that 95 of 100 do not exceed. What a sweep has missed counts
	// Most more than it ran.
	Median   uint64         `json:"median"`
	P95      uint64         `json:"p95"`
	Counted  int            `json:"counted"` // mutants that are no smoke tests
	Areas    map[string]int `json:"areas"`   // of those, by area
	Worlds   uint64         `json:"worlds"`
	CPUHours float64        `json:"cpuHours"`
	Dirty    []uint64       `json:"dirty"` // seeds that fail without a mutant
	// Alone are the mutants that a judge caught in some sweep while all others were silent.
	Alone map[string][]string `json:"alone"`
}

// catch is what became of one mutant.
type catch struct {
	Name   string   `json:"name"`
	Text   string   `json:"text"`
	Known  string   `json:"known,omitempty"`
	Area   string   `json:"area"`
	Judges []string `json:"judges"` // of the sweeps, the most frequent first
	Seeds  []uint64 `json:"seeds"`  // that caught it, one a sweep
	After  []uint64 `json:"after"`  // worlds until it was caught, by sweep; 0: it was not
	Median uint64   `json:"median"`
	Worst  uint64   `json:"worst"`
	Smoke  bool     `json:"smoke"` // the first world catches it in every sweep
	Missed bool     `json:"missed"`
	Millis int64    `json:"ms"` // of processor time a sweep, in the middle
}

func (c *chase) progress(w io.Writer) {
	by := "NOT CAUGHT"
	if c.caught != nil {
		by = strings.Join(c.caught.judges(), ", ")
	}
	_, _ = fmt.Fprintf(w, "%-44s %-30s after %5d, seed %8d\n", c.mutant.Name, by, c.next,
		c.base+c.next-1)
}

// report gathers chases by mutant.
func (h *hunt) report(list []mutant.Mutant, all []*chase) *catches {
	r := &catches{From: h.from, Sweeps: h.sweeps, Most: h.most, Areas: map[string]int{},
		Alone: map[string][]string{}}
	var nanos int64
	var medians []uint64
	for i, m := range list {
		c := &catch{Name: m.Name, Text: m.Text, Known: m.Known, Area: m.Area.String(), Smoke: true}
		votes := map[string]int{}
		var times []int64
		var effort []uint64
		for _, s := range all[i*h.sweeps : (i+1)*h.sweeps] {
			r.Worlds += s.next
			nanos += s.nanos
			times = append(times, s.nanos)
			after := s.next
			if s.caught == nil {
				c.Missed = true
				c.After = append(c.After, 0)
				effort = append(effort, h.most+max(after, 1))
				continue
			}
			c.After, effort = append(c.After, after), append(effort, after)
			c.Seeds = append(c.Seeds, s.caught.Seed)
			judges := s.caught.judges()
			for _, judge := range judges {
				votes[judge]++
			}
			if len(judges) == 1 && !slices.Contains(r.Alone[judges[0]], m.Name) {
				r.Alone[judges[0]] = append(r.Alone[judges[0]], m.Name)
			}
		}
		slices.Sort(effort)
		slices.Sort(times)
		c.Median, c.Worst = effort[len(effort)/2], effort[len(effort)-1]
		c.Smoke = c.Worst == 1
		c.Millis = times[len(times)/2] / int64(time.Millisecond)
		c.Judges = sortedKeys(votes)
		slices.SortStableFunc(c.Judges, func(a, b string) int { return votes[b] - votes[a] })
		if c.Missed {
			r.Missed++
		}
		if !c.Smoke {
			r.Counted++
			r.Areas[c.Area]++
			medians = append(medians, c.Median)
		}
		r.Mutants = append(r.Mutants, c)
	}
	slices.Sort(medians)
	if n := len(medians); n > 0 {
		r.Median, r.P95 = medians[n/2], medians[min(n*95/100, n-1)]
	}
	r.CPUHours = float64(nanos) / 3600e9
	return r
}

func (r *catches) write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// worlds says how many worlds it took, or after how many it was given up.
func (r *catches) worlds(n uint64) string {
	if n > r.Most {
		return fmt.Sprintf("> %d", n-r.Most)
	}
	return fmt.Sprint(n)
}

func (r *catches) text(w io.Writer) {
	for _, smoke := range []bool{false, true} {
		title := "mutant"
		if smoke {
			title = "smoke test"
		}
		_, _ = fmt.Fprintf(w, "%-44s %-18s %-34s %7s %7s %9s\n", title, "area", "caught by",
			"median", "worst", "time")
		for _, c := range r.Mutants {
			if c.Smoke != smoke {
				continue
			}
			_, _ = fmt.Fprintf(w, "%-44s %-18s %-34s %7s %7s %7.1f s\n", c.Name, c.Area,
				strings.Join(c.Judges, ", "), r.worlds(c.Median), r.worlds(c.Worst),
				float64(c.Millis)/1000)
		}
	}
	_, _ = fmt.Fprintf(w, "%s\n%d not caught by every sweep; the seeds that catch, without a "+
		"mutant: %d with violations\n", r.total(), r.Missed, len(r.Dirty))
}

// total says in one line what it comes to.
func (r *catches) total() string {
	return fmt.Sprintf("%d mutants and %d smoke tests, %d sweeps from seed %d: median of the "+
		"medians %s worlds, 95th percentile %s; %d worlds, %.2f CPU-hours", r.Counted,
		len(r.Mutants)-r.Counted, r.Sweeps, r.From, r.worlds(r.Median), r.worlds(r.P95), r.Worlds,
		r.CPUHours)
}

// document writes the tables into a file of documentation.
func (r *catches) document(name, commit string) error {
	return splice.File(name, "mutants", r.markdown(commit))
}

func (r *catches) markdown(commit string) string {
	var b strings.Builder
	at := ""
	if commit != "" {
		at = " at " + commit
	}
	fmt.Fprintf(&b, "Measured%s: %s.\n\n| area | mutants |\n|---|---|\n", at, r.total())
	for _, a := range mutant.Areas() {
		fmt.Fprintf(&b, "| %s | %d |\n", a, r.Areas[a.String()])
	}
	fmt.Fprintf(&b, "\n| mutant | what goes wrong | caught by | median | worst | CPU s |\n"+
		"|---|---|---|---|---|---|\n")
	for _, c := range r.Mutants {
		if !c.Smoke {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %.1f |\n", c.Name, c.says(),
				strings.Join(c.Judges, ", "), r.worlds(c.Median), r.worlds(c.Worst),
				float64(c.Millis)/1000)
		}
	}
	b.WriteString("\nSmoke tests, which the first world of every sweep kills:\n\n" +
		"| mutant | what goes wrong | caught by |\n|---|---|---|\n")
	for _, c := range r.Mutants {
		if c.Smoke {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Name, c.says(), strings.Join(c.Judges, ", "))
		}
	}
	r.alone(&b)
	return b.String()
}

// alone lists, for each judge, bugs that nobody would have caught without it.
func (r *catches) alone(b *strings.Builder) {
	const most = 4
	b.WriteString("\nBugs that a judge caught while all others were silent:\n\n" +
		"| judge | bugs | such as |\n|---|---|---|\n")
	judges := sortedKeys(r.Alone)
	slices.SortStableFunc(judges, func(a, b string) int {
		return len(r.Alone[b]) - len(r.Alone[a])
	})
	for _, judge := range judges {
		names := r.Alone[judge]
		fmt.Fprintf(b, "| %s | %d | `%s` |\n", judge, len(names),
			strings.Join(names[:min(len(names), most)], "`, `"))
	}
}

// says is what goes wrong, and what the bug is known as.
func (c *catch) says() string {
	if c.Known == "" {
		return c.Text
	}
	return fmt.Sprintf("%s (**%s**)", c.Text, c.Known)
}
