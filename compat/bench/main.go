// Command bench measures Vivarium beside ZooKeeper and beside a server that does nothing, and
// writes docs/BENCHMARKS.md.
//
//	go run ./compat/bench [-rounds 3] [-only 'read|write'] [-out file]
//	go run ./compat/bench -memory       a million znodes, 10,000 sessions: docs/MEMORY.md
//	go run ./compat/bench -soak 30m     memory under a mixed load: docs/ENDURANCE.md
//
// The three servers run on loopback with data of their own, all the time: what drifts on the
// machine drifts for all. Each load is put on one after the other, round by round, by
// `vivarium bench`; the other two are idle meanwhile. What is printed are medians of the rounds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// flags are what can be chosen.
type flags struct {
	rounds           int
	duration, warmup time.Duration
	jvm              time.Duration
	only             *regexp.Regexp
	memory           bool
	soak             time.Duration
	out              string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse() (flags, error) {
	var f flags
	only := ""
	flag.IntVar(&f.rounds, "rounds", 3, "how often each load is put on each server")
	flag.DurationVar(&f.duration, "duration", 1500*time.Millisecond, "time that is counted")
	flag.DurationVar(&f.warmup, "warmup", 400*time.Millisecond, "time before that, in each run")
	flag.DurationVar(&f.jvm, "jvm", 16*time.Second, "load on ZooKeeper before anything counts")
	flag.StringVar(&only, "only", "", "`regexp` of the loads to put on, as 'read 16x16'")
	flag.BoolVar(&f.memory, "memory", false,
		"measure a million znodes and 10,000 idle sessions instead: some 5 minutes")
	flag.DurationVar(&f.soak, "soak", 0,
		"keep a server under mixed load for so long instead, and watch its memory")
	flag.StringVar(&f.out, "out", "", "`file` to write (default one in docs; - to print)")
	flag.Parse()
	var err error
	f.only, err = regexp.Compile(only)
	if f.rounds < 1 || f.duration <= 0 || f.warmup <= 0 || flag.NArg() > 0 {
		err = errors.Join(err, errors.New("rounds and times are above 0, and no arguments known"))
	}
	return f, err
}

func run(ctx context.Context) error {
	f, err := parse()
	if err != nil {
		return err
	}
	root, err := projectRoot()
	if err != nil {
		return err
	}
	b := &bench{flags: f, root: root, cache: filepath.Join(root, ".cache", "bench"),
		began: time.Now()}
	if err := b.build(ctx); err != nil {
		return err
	}
	switch {
	case f.memory:
		return b.measureMemory(ctx)
	case f.soak > 0:
		return b.soakRun(ctx)
	}
	servers, err := b.startAll(ctx)
	for _, s := range servers {
		defer s.stop()
	}
	if err != nil {
		return err
	}
	b.servers = servers
	if err := b.warmUp(ctx); err != nil {
		return err
	}
	table, err := b.measure(ctx)
	if err != nil {
		return err
	}
	return b.write(ctx, table)
}

// projectRoot is the folder of go.mod above the working directory.
func projectRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("run this inside the project: no go.mod above here")
		}
		dir = filepath.Dir(dir)
	}
}
