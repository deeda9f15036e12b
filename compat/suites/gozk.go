package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	gozkName    = "gozk"
	gozkModule  = "github.com/go-zookeeper/zk"
	gozkVersion = "v1.0.4"
)

// gozk is the suite of go-zookeeper: go test in a copy of the module's own sources. Its tests start
// servers with $ZOOKEEPER_BIN_PATH/zkServer.sh, for which compat/standin stands.
type gozk struct {
	cache  Cache
	source string // the copy
	bin    string // the folder with the stand-in
}

// Name implements suite.
func (g *gozk) Name() string { return gozkName }

// Version implements suite.
func (g *gozk) Version() string { return gozkVersion }

// Prepare implements suite: the module cache is read-only, so the tests run in a copy.
func (g *gozk) Prepare(ctx context.Context) error {
	g.bin = g.cache.Path("gozk-bin")
	build := process{Dir: g.cache.root, Args: []string{"go", "build", "-o",
		filepath.Join(g.bin, "zkServer.sh"), "./compat/standin"}}
	if _, err := build.Output(ctx); err != nil {
		return err
	}
	g.source = g.cache.Path("gozk-" + gozkVersion)
	return g.cache.once(g.source, gozkVersion, func(dir string) error {
		text, err := process{Dir: dir, Args: []string{"go", "mod", "download", "-json",
			gozkModule + "@" + gozkVersion}}.Output(ctx)
		if err != nil {
			return err
		}
		var module struct{ Dir string }
		if err := json.Unmarshal([]byte(text), &module); err != nil {
			return fmt.Errorf("go mod download: %w", err)
		}
		return copyFiles(module.Dir, dir)
	})
}

// copyFiles copies the files directly in from, writable.
func copyFiles(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Type() != fs.FileMode(0) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Collect implements suite: the tests at the top; subtests show when they run.
func (g *gozk) Collect(ctx context.Context) ([]string, error) {
	list := process{Dir: g.source, Args: []string{"go", "test", "-vet=off", "-list", ".", "."}}
	text, err := list.Output(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "Test") {
			ids = append(ids, line)
		}
	}
	return ids, nil
}

// Run implements suite.
func (g *gozk) Run(ctx context.Context, job Job) error {
	output, err := os.Create(filepath.Join(job.Folder, "output.txt"))
	if err != nil {
		return err
	}
	defer output.Close()
	report, err := os.Create(filepath.Join(job.Folder, "test2json.jsonl"))
	if err != nil {
		return err
	}
	defer report.Close()

	reader, writer := io.Pipe()
	read := make(chan error, 1)
	go func() {
		err := follow(reader, output, job.Monitor)
		// Never leave the test process waiting for a reader.
		_, _ = io.Copy(io.Discard, reader)
		read <- err
	}()
	err = process{
		Dir: g.source,
		Args: []string{"go", "test", "-json", "-count=1", "-vet=off", "-timeout=10m",
			"-run", topLevel(job.IDs), "."},
		Env: append([]string{
			"ZOOKEEPER_BIN_PATH=" + g.bin,
			"COMPAT_ZKSERVER=" + g.cache.Source("servers", "zkServer.sh"),
			"ZK_VERSION=3.9.4",
			"COMPAT_LOGS=" + job.Logs,
		}, job.Server.Env...),
		Stdout: io.MultiWriter(report, writer),
		Stderr: output,
	}.Run(ctx)
	writer.Close()
	err = errors.Join(err, <-read)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil // tests failed, which the results say
	}
	return err
}

// topLevel returns the -run pattern for exactly the tests that ids are or belong to.
func topLevel(ids []string) string {
	names := map[string]bool{}
	for _, id := range ids {
		name, _, _ := strings.Cut(id, "/")
		names[regexp.QuoteMeta(name)] = true
	}
	return "^(" + strings.Join(sortedKeys(names), "|") + ")$"
}

// testEvent is a line of go test -json.
type testEvent struct {
	Action, Test, Output string
	Elapsed              float64
}

// follow reads go test's events, hands the results to m, and writes what the tests print to output.
func follow(r io.Reader, output io.Writer, m *monitor) error {
	printed := map[string]*bytes.Buffer{}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var e testEvent
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("go test says %q: %w", line, err)
		}
		if e.Output != "" {
			if _, err := io.WriteString(output, e.Output); err != nil {
				return err
			}
		}
		if e.Test == "" {
			continue
		}
		if printed[e.Test] == nil {
			printed[e.Test] = &bytes.Buffer{}
		}
		printed[e.Test].WriteString(e.Output)
		result := Result{ID: e.Test, Seconds: e.Elapsed}
		switch e.Action {
		case "run":
			m.Started(e.Test)
			continue
		case "pass":
			result.Outcome = passed
		case "fail":
			result.Outcome = failed
			result.Text = tail(printed[e.Test].String(), 40)
		case "skip":
			result.Outcome = skipped
			result.Text = tail(printed[e.Test].String(), 2)
		default:
			continue
		}
		m.Done(result)
	}
}
