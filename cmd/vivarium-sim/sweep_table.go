package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/internal/splice"
	"github.com/vivariumdb/vivarium/linearizability"
)

// tabled are the counters that documentation shows, in this order.
var tabled = []string{"requests", "clients", "acknowledged writes", "most in flight", "faults",
	"kinds of fault", "changes of leader", "restarts", "restarts of most", "connections lost",
	"watch events", "sessions expired", "calls unanswered", "checkpoints sent",
	"changes of members applied", "reconfigurations", "targets given up"}

// rareFault is in fewer of a thousand worlds.
const rareFault = 20

// document writes what a sweep has come to into a file of documentation.
func (r *report) document(f *runFlags, p linearizability.Porcupine) error {
	return splice.File(f.table, "sweep", r.markdown(f, p))
}

func (r *report) markdown(f *runFlags, p linearizability.Porcupine) string {
	var b strings.Builder
	at, args := "", ""
	if f.commit != "" {
		at = " at " + f.commit
	}
	if len(f.set) > 0 {
		args = " ARGS='--set " + strings.Join(f.set, " --set ") + "'"
	}
	fmt.Fprintf(&b, "`make sim SEED=%d SEEDS=%d%s`%s: %d worlds, ", f.seed, f.seeds, args, at,
		r.Worlds)
	switch n := len(r.Failed); n {
	case 0:
		b.WriteString("no violation.\n")
	default:
		fmt.Fprintf(&b, "%d with violations: %v.\n", n, r.Failed)
	}
	fmt.Fprintf(&b, "%.0f worlds per CPU-hour with all judges, %.0f simulated seconds per real "+
		"one.\nporcupine judged %d operations in %d windows of %d components; %d components "+
		"overlapped\ntoo much and were judged with calls narrowed around their commits, %d were "+
		"inconclusive.\n",
		r.PerCPUHour, r.Speed, p.Operations, p.Windows, p.Components, p.Weakened, p.Inconclusive)
	b.WriteString("\n| in a world | least | median | 90 in 100 | 99 in 100 | most | in seed |\n" +
		"|---|--:|--:|--:|--:|--:|--:|\n")
	for _, name := range tabled {
		i := slices.IndexFunc(r.Counters, func(s spread) bool { return s.Name == name })
		s := &r.Counters[i]
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d |\n", name, s.Least, s.Median, s.P90,
			s.P99, s.Most, s.In)
	}
	kinds := 0
	var rare []string
	for _, s := range r.Counters {
		name, fault := strings.CutPrefix(s.Name, "fault: ")
		if !fault {
			continue
		}
		kinds++
		if s.Worlds*1000 < r.Worlds*rareFault {
			rare = append(rare, fmt.Sprintf("%q in %d", name, s.Worlds))
		}
	}
	fmt.Fprintf(&b, "\n%d of %d kinds of fault came.", r.FaultKinds, kinds)
	if len(rare) > 0 {
		fmt.Fprintf(&b, " In fewer than %d of 1,000 worlds came:\n%s.", rareFault,
			strings.Join(rare, ",\n"))
	}
	b.WriteByte('\n')
	return b.String()
}
