// Command migration proves that a real ZooKeeper's data can be moved here and back.
//
// A real server works under load and is killed (kill -9), while it writes snapshots. Another real
// server then goes on with a copy of what it left; `vivarium import` reads the same, and Vivarium
// serves it; `vivarium export` writes that back, and a third real server serves the export. The
// three are asked the same questions through kazoo, and must give the same answers: every znode
// with its data, Stat, ACL and children; sessions, taken up again, with their ephemerals; what
// whom is allowed; the next sequence number of every parent; what is reaped when containers and
// znodes with a time to live are looked for. Every difference is printed; one is enough to fail.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// migration is one run of the command.
type migration struct {
	znodes  int
	packs   []string
	keep    bool
	root    string
	work    string // everything that is written goes below it
	jars    string // ZooKeeper's class path
	python  string // with kazoo
	program string // vivarium
}

func main() {
	var m migration
	packs := flag.String("packs", "plain", "how snapshots are packed: plain, gz and snappy, "+
		"separated by commas")
	flag.IntVar(&m.znodes, "znodes", 100_000, "how many znodes the load makes at least")
	flag.BoolVar(&m.keep, "keep", false, "keep data and logs, and say where")
	flag.Parse()
	m.packs = strings.Split(*packs, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := errors.New("no arguments, only flags: see -help")
	if flag.NArg() == 0 {
		err = m.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "migration:", err)
		os.Exit(1)
	}
}

func (m *migration) run(ctx context.Context) error {
	for _, pack := range m.packs {
		if pack != "plain" && pack != "gz" && pack != "snappy" {
			return fmt.Errorf("-packs %q: plain, gz and snappy are known", pack)
		}
	}
	if err := m.setUp(ctx); err != nil {
		return err
	}
	if m.keep {
		fmt.Println("data and logs are in", m.work)
	} else {
		defer os.RemoveAll(m.work)
	}
	base := m.work
	for _, pack := range m.packs {
		m.work = filepath.Join(base, pack)
		if err := os.MkdirAll(m.work, 0o700); err != nil {
			return err
		}
		began := time.Now()
		fmt.Printf("snapshots: %s\n", pack)
		p := &proof{migration: m, pack: pack, report: &report{out: os.Stdout}}
		if err := p.prove(ctx); err != nil {
			m.keep = true
			return fmt.Errorf("snapshots %s: %w", pack, err)
		}
		fmt.Printf("  took %v\n", time.Since(began).Round(time.Second))
		if p.report.faults > 0 {
			return fmt.Errorf("snapshots %s: %d differences", pack, p.report.faults)
		}
	}
	return nil
}

// setUp finds or builds what is needed.
func (m *migration) setUp(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	m.root = filepath.Dir(strings.TrimSpace(string(out)))
	if err != nil || m.root == "." || m.root == "/dev" {
		return fmt.Errorf("run this inside the project: %v", err)
	}
	kit := filepath.Join(m.root, ".cache", "compat")
	const remedy = "`make compat ARGS='-suite kazoo -run test_create'` fetches it"
	jars := filepath.Join(kit, "zookeeper")
	if found, _ := filepath.Glob(filepath.Join(jars, "zookeeper-3.9.*.jar")); len(found) != 1 {
		return fmt.Errorf("no ZooKeeper in %s: %s", jars, remedy)
	}
	m.jars = filepath.Join(jars, "*")
	m.python = filepath.Join(kit, "python", "bin", "python")
	out, err = exec.CommandContext(ctx, m.python, "-c",
		"import kazoo; print(kazoo.__version__)").Output()
	if err != nil {
		return fmt.Errorf("no kazoo by %s: %w: %s", m.python, err, remedy)
	}
	if _, err := exec.LookPath("java"); err != nil {
		return err
	}
	if m.work, err = os.MkdirTemp("", "migration"); err != nil {
		return err
	}
	m.program = filepath.Join(m.work, "vivarium")
	build := exec.CommandContext(ctx, "go", "build", "-o", m.program, "./cmd/vivarium")
	build.Dir, build.Stderr = m.root, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build vivarium: %w", err)
	}
	fmt.Printf("kazoo %s, ZooKeeper %s\n", strings.TrimSpace(string(out)), m.release())
	return nil
}

// release is the version of the jars.
func (m *migration) release() string {
	found, _ := filepath.Glob(filepath.Join(filepath.Dir(m.jars), "zookeeper-3.9.*.jar"))
	name := filepath.Base(strings.Join(found, ""))
	return strings.TrimSuffix(strings.TrimPrefix(name, "zookeeper-"), ".jar")
}

// tool runs vivarium and decodes its summary.
func (m *migration) tool(ctx context.Context, summary any, args ...string) error {
	cmd := exec.CommandContext(ctx, m.program, append(args, "-q", "-o", "json")...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("vivarium %s: %w", args[0], err)
	}
	return json.Unmarshal(out, summary)
}

// ask lets kazoo do one of the verbs of migration.py, and calls row with each line of its answer.
func (m *migration) ask(ctx context.Context, s *server, verb string, input any,
	row func(line []byte) error) error {

	text, err := json.Marshal(input)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, m.python,
		filepath.Join(m.root, "compat", "migration", "migration.py"), verb, s.addr)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONUTF8=1")
	cmd.Stdin = strings.NewReader(string(text))
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("kazoo, %s of %s: %w\n%s", verb, s.name, err, said.String())
	}
	for line := range strings.Lines(string(out)) {
		if err := row([]byte(line)); err != nil {
			return fmt.Errorf("kazoo, %s of %s: %.200q: %w", verb, s.name, line, err)
		}
	}
	return nil
}
