package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vivarium": main, zkServerScript: main})
}

// TestScripts runs what people type. Besides testscript's own commands there are
//
//	serving name    wait until the server that was started as `vivarium ... &name&` with its
//	                log in name.log serves; its address is in $ADDR, its process in $PID
//	word address w  print the answer to a four-letter word
//	port            put a port that is taken into $PORT
//	private dir     fail if anybody but the owner may do anything in dir
//	signal name     send it to $PID
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		// A server that should have been refused serves for ever.
		Deadline: time.Now().Add(2 * time.Minute),
		Setup: func(e *testscript.Env) error {
			e.Setenv("SERVER_JVMFLAGS", "")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serving": serving, "word": word, "port": port, "private": private,
			"signal": signalCmd,
		},
	})
}

// serving waits for the line in the log that says so.
func serving(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serving log")
	}
	deadline := time.Now().Add(time.Minute)
	for {
		b, _ := os.ReadFile(ts.MkAbs(args[0])) // it may not be there yet
		text := string(b)
		if addr, ok := field(text, "msg=serving", "address="); ok && strings.HasSuffix(text, "\n") {
			ts.Setenv("ADDR", addr)
			dir, _ := field(text, "msg=starting", "dataDir=")
			pid, err := os.ReadFile(filepath.Join(ts.MkAbs(dir), "vivarium.lock"))
			ts.Check(err)
			ts.Setenv("PID", strings.TrimSpace(string(pid)))
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("does not serve:\n%s", text)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// field returns the value behind key in the line of text that has mark.
func field(text, mark, key string) (string, bool) {
	for line := range strings.Lines(text) {
		if !strings.Contains(line, mark) {
			continue
		}
		for _, f := range strings.Fields(line) {
			if value, ok := strings.CutPrefix(f, key); ok {
				return value, true
			}
		}
	}
	return "", false
}

func word(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: word address word")
	}
	nc, err := net.Dial("tcp", args[0])
	ts.Check(err)
	defer nc.Close()
	_, err = fmt.Fprintln(nc, args[1])
	ts.Check(err)
	for in := bufio.NewScanner(nc); in.Scan(); {
		_, err = fmt.Fprintln(ts.Stdout(), in.Text())
		ts.Check(err)
	}
}

func port(ts *testscript.TestScript, neg bool, args []string) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { taken.Close() })
	ts.Setenv("PORT", strconv.Itoa(taken.Addr().(*net.TCPAddr).Port))
}

func private(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: private dir")
	}
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			err = fmt.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	}))
}

func signalCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: signal name")
	}
	pid, err := strconv.Atoi(ts.Getenv("PID"))
	ts.Check(err)
	process, err := os.FindProcess(pid)
	ts.Check(err)
	ts.Check(process.Signal(signals[args[0]]))
}
