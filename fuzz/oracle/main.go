// Command oracle compares Vivarium with a real ZooKeeper 3.9.4, reply by reply.
//
// It starts one server of each kind on loopback, with the same zoo.cfg, and plays cases on both:
// sequences of connects, bursts of pipelined requests, lost connections and returns, by three to
// six sessions. The bytes sent are the same, but for what the servers themselves have handed
// out: session ids, passwords, zxids. Every frame that comes back is compared, in its order on
// its connection; docs/COMPATIBILITY.md lists what is masked, and why.
//
// Only one session speaks at a time, and the next one waits until all replies are in. So each
// connection's sequence of replies and events is determined, and no barrier is needed: what an
// earlier burst of somebody else made happen stands in front of a connection's next reply.
//
//	go run ./fuzz/oracle -requests 500000 -seed 7    until so many requests are compared
//	go run ./fuzz/oracle -seed 7 -case 12            one case again
//	go run ./fuzz/oracle -set skipACL=yes            with another zoo.cfg
//	go run -tags mutants ./fuzz/oracle -mutants      find each planted difference
//
// A difference is shrunk to the few requests that show it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// errFound ends a run that found what it looked for; it was printed already.
var errFound = errors.New("the servers differ, or not enough was compared")

// options are the command's flags.
type options struct {
	requests    int
	seed        uint64
	only        int
	differences int
	coverage    int
	mutants     bool
	mutant      string
	serve       string
	settings    settings
	verbose     bool
}

func main() {
	var o options
	flag.IntVar(&o.requests, "requests", 20000, "compare at least so many requests")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano())%1e6, "of the cases")
	flag.IntVar(&o.only, "case", -1, "play only the case with this number, and print it")
	flag.IntVar(&o.differences, "differences", 1, "stop after so many differences")
	flag.IntVar(&o.coverage, "coverage", 0,
		"fail if something was seen less often; 0 is 200 from 500,000 requests on, else no limit")
	flag.BoolVar(&o.mutants, "mutants", false, "find each planted difference")
	flag.StringVar(&o.mutant, "mutant", "", "plant this difference, or with -mutants only it")
	flag.StringVar(&o.serve, "serve", "", "be the Vivarium under test, with this zoo.cfg")
	flag.Var(&o.settings, "set", "configure both servers, `key=value`; may be repeated")
	flag.BoolVar(&o.verbose, "v", false, "print each case that is played")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		stop()
		os.Exit(1)
	}
}

// settings are lines for the zoo.cfg of both servers.
type settings []string

func (s *settings) String() string { return strings.Join(*s, " ") }

// Set adds a line.
func (s *settings) Set(line string) error {
	if key, _, ok := strings.Cut(line, "="); !ok || key == "" {
		return errors.New("want key=value")
	}
	*s = append(*s, line)
	return nil
}

func (o options) run(ctx context.Context) error {
	switch {
	case o.serve != "":
		return serve(ctx, o.serve, o.mutant)
	case o.mutants:
		return hunt(ctx, o)
	}
	c, err := campaign(ctx, o, os.Stdout)
	if c != nil {
		c.print(os.Stdout)
	}
	return err
}
