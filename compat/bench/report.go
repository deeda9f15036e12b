package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/vivariumdb/vivarium/client/load"
)

// spread is the median of some rounds, with the least and the most.
type spread struct{ median, least, most float64 }

func spreadOf(list []*load.Result, of func(*load.Result) float64) spread {
	var all []float64
	for _, r := range list {
		all = append(all, of(r))
	}
	if len(all) == 0 {
		return spread{}
	}
	slices.Sort(all)
	return spread{all[len(all)/2], all[0], all[len(all)-1]}
}

func rate(r *load.Result) float64 { return r.PerSecond }
func p50(r *load.Result) float64  { return r.P50Us }
func p99(r *load.Result) float64  { return r.P99Us }

func cpu(r *load.Result) float64 {
	if r.Server == nil {
		return 0
	}
	return r.Server.CPUUs
}

// ratio is that of the medians of two servers, 0 if one has none.
func (r *row) ratio(a, b string, of func(*load.Result) float64) float64 {
	over, under := spreadOf(r.results[a], of), spreadOf(r.results[b], of)
	if under.median == 0 {
		return 0
	}
	return over.median / under.median
}

// line is the row for who watches.
func (r *row) line() string {
	text := r.name + ":"
	for _, name := range []string{zooKeeper, vivarium, nullServer} {
		if list := r.results[name]; len(list) > 0 {
			text += fmt.Sprintf("  %s %.0f/s %.2f us", name, spreadOf(list, rate).median,
				spreadOf(list, cpu).median)
		}
	}
	return text + fmt.Sprintf("  (%.2f x ZooKeeper)", r.ratio(vivarium, zooKeeper, rate))
}

// void says why the table proves nothing, "" if it does: the load generator and the machine must
// be able to show the difference (PERFORMANCE: the limit is many times ZooKeeper).
func void(rows []row) string {
	const reads, writes = 15, 4
	for i := range rows {
		r := &rows[i]
		least := map[string]float64{"read 16x16": reads, "write 16x16": writes}[r.name]
		if got := r.ratio(nullServer, zooKeeper, rate); least > 0 && got < least {
			return fmt.Sprintf("the null server reached only %.1f times ZooKeeper's rate of "+
				"%s,\nand %.0f are needed: the machine or the load generator is the limit",
				got, r.name, least)
		}
	}
	return ""
}

// write writes the document.
func (b *bench) write(ctx context.Context, rows []row) error {
	var t strings.Builder
	fmt.Fprintf(&t, "# Benchmarks\n\nWritten by `%s`; do not edit. Figures move by a third "+
		"from hour to hour:\ncompare within one table.\n\n", b.command())
	b.machine(ctx, &t)
	b.conditions(&t)
	if why := void(rows); why != "" {
		fmt.Fprintf(&t, "**This table is void**: %s.\n\n", why)
	} else {
		t.WriteString("The table counts: where both loads were put on, the null server reached " +
			"15 times ZooKeeper's reads\nand 4 times its writes at 16x16.\n\n")
	}
	rates(&t, rows)
	latencies(&t, rows)
	if err := b.profiles(ctx, &t); err != nil {
		return err
	}
	return b.publish("BENCHMARKS.md", t.String())
}

// publish writes a document of docs, or where the flags say.
func (b *bench) publish(name, text string) error {
	if b.out == "-" {
		fmt.Println(text)
		return nil
	}
	path := b.out
	if path == "" {
		path = filepath.Join(b.root, "docs", name)
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// commit is that of what is measured.
func (b *bench) commit(ctx context.Context) string {
	text, err := b.output(ctx, "git", "rev-parse", "--short", "HEAD")
	if err != nil {
		return "an unknown commit"
	}
	return strings.TrimSpace(text)
}

// command is what repeats this.
func (b *bench) command() string {
	if len(os.Args) == 1 {
		return "make bench"
	}
	return "make bench ARGS='" + strings.Join(os.Args[1:], " ") + "'"
}

// machine says on what and when.
func (b *bench) machine(ctx context.Context, t *strings.Builder) {
	first := func(s string, err error) string {
		line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
		if err != nil || line == "" {
			return "unknown"
		}
		return line
	}
	file := func(name string) string {
		text, err := os.ReadFile(name)
		return first(string(text), err)
	}
	java, javaErr := b.output(ctx, "sh", "-c", "java -version 2>&1")
	version, versionErr := b.jars()
	fmt.Fprintf(t, "- %s, %d cores for servers and load together, Linux %s\n",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(),
		file("/proc/sys/kernel/osrelease"))
	fmt.Fprintf(t, "- load average at the end (1, 5, 15 minutes; running) %s\n",
		file("/proc/loadavg"))
	fmt.Fprintf(t, "- Vivarium %s by %s\n",
		first(b.output(ctx, "git", "describe", "--always", "--dirty")), runtime.Version())
	fmt.Fprintf(t, "- ZooKeeper %s with %s on %s\n", first(version, versionErr), javaHeap,
		first(java, javaErr))
}

// conditions says how the rates were measured.
func (b *bench) conditions(t *strings.Builder) {
	fmt.Fprintf(t, "- null: compat/nullserver, the limit: the same framing and no work\n")
	fmt.Fprintf(t, "- one server of each, fsync on, loopback, 1 KiB values, 10,000 znodes; "+
		"%d rounds in turn,\n  %v each after %v of warming up; ZooKeeper warmed up for %v\n",
		b.rounds, b.duration, b.warmup, b.jvm)
	t.WriteString("- 16x16 is 16 connections with 16 requests in flight each; 16x1 and 1x1 " +
		"alike\n\n")
}

// rates writes the table of rates and CPU.
func rates(t *strings.Builder, rows []row) {
	t.WriteString("## Operations a second, median (least to most), and CPU per operation\n\n" +
		"| load | ZooKeeper | Vivarium | null | Vivarium : ZooKeeper | Vivarium : null |" +
		" CPU us: ZooKeeper | Vivarium | null |\n|---|---|---|---|---|---|---|---|---|\n")
	for i := range rows {
		r := &rows[i]
		fmt.Fprintf(t, "| %s |", r.name)
		for _, name := range []string{zooKeeper, vivarium, nullServer} {
			if s := spreadOf(r.results[name], rate); s.median > 0 {
				fmt.Fprintf(t, " %s (%s to %s) |", count(s.median), count(s.least), count(s.most))
			} else {
				t.WriteString(" - |")
			}
		}
		for _, name := range []string{zooKeeper, nullServer} {
			if x := r.ratio(vivarium, name, rate); x > 0 {
				fmt.Fprintf(t, " %.2f |", x)
			} else {
				t.WriteString(" - |")
			}
		}
		for _, name := range []string{zooKeeper, vivarium, nullServer} {
			if s := spreadOf(r.results[name], cpu); s.median > 0 {
				fmt.Fprintf(t, " %s |", short(s.median))
			} else {
				t.WriteString(" - |")
			}
		}
		t.WriteString("\n")
	}
}

// latencies writes the table of percentiles.
func latencies(t *strings.Builder, rows []row) {
	t.WriteString("\n## Latency in us, medians of the rounds: p50 / p99\n\n" +
		"| load | ZooKeeper | Vivarium | null | p99 Vivarium : ZooKeeper |\n" +
		"|---|---|---|---|---|\n")
	for i := range rows {
		r := &rows[i]
		fmt.Fprintf(t, "| %s |", r.name)
		for _, name := range []string{zooKeeper, vivarium, nullServer} {
			if list := r.results[name]; len(list) > 0 {
				fmt.Fprintf(t, " %.0f / %.0f |", spreadOf(list, p50).median,
					spreadOf(list, p99).median)
			} else {
				t.WriteString(" - |")
			}
		}
		fmt.Fprintf(t, " %.2f |\n", r.ratio(vivarium, zooKeeper, p99))
	}
}

// count writes a rate with three figures.
func count(v float64) string {
	if v >= 10_000 {
		return fmt.Sprintf("%.0fk", v/1000)
	}
	return short(v/1000) + "k"
}

func short(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
