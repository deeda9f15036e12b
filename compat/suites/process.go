package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// stopTime is how long a process has after SIGTERM before it is killed.
const stopTime = 10 * time.Second

// A process is a command with everything it starts: they form one process group, and whatever of
// it is left when the command has ended is killed.
type process struct {
	Dir  string
	Env  []string // added to the inherited environment
	Args []string
	// Stdout and Stderr may be nil.
	Stdout, Stderr io.Writer
	// Events, if not nil, becomes file descriptor 3.
	Events *os.File
}

// Run runs the process to its end or to the end of ctx, whichever comes first.
func (p process) Run(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, p.Args[0], p.Args[1:]...)
	cmd.Dir = p.Dir
	cmd.Env = append(inherited(os.Environ()), p.Env...)
	cmd.Stdout, cmd.Stderr = p.Stdout, p.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = stopTime
	if p.Events != nil {
		cmd.ExtraFiles = []*os.File{p.Events}
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err := cmd.Wait()
	if kill := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); kill == nil {
		err = errors.Join(err, p.leftover(ctx))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// leftover notes in the output that the command had left processes behind.
func (p process) leftover(ctx context.Context) error {
	if p.Stderr == nil || ctx.Err() != nil {
		return nil
	}
	_, err := fmt.Fprintf(p.Stderr, "compat: %s left processes behind; killed\n", p.Args[0])
	return err
}

// Output runs the process and returns what it prints; an error carries the end of that.
func (p process) Output(ctx context.Context) (string, error) {
	var out, all bytes.Buffer
	p.Stdout, p.Stderr = io.MultiWriter(&out, &all), &all
	if err := p.Run(ctx); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(p.Args, " "), err, tail(all.String(), 30))
	}
	return out.String(), nil
}

// inherited drops the variables that would make a suite or a server behave differently from one
// machine to the next. CI is one: kazoo runs other tests, and sleeps longer, where it is set.
func inherited(environ []string) []string {
	var kept []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		switch {
		case name == "CI", name == "SERVER_JVMFLAGS", name == "JAVA_TOOL_OPTIONS",
			name == "PYTHONPATH", name == "PYTHONHOME", name == "VIRTUAL_ENV",
			name == "GOFLAGS", name == "GOWORK",
			strings.HasPrefix(name, "PYTEST_"), strings.HasPrefix(name, "COV_"),
			strings.HasPrefix(name, "ZOOKEEPER_"), strings.HasPrefix(name, "ZK_"),
			strings.HasPrefix(name, "COMPAT_"), strings.HasPrefix(name, "KRB5"):
		default:
			kept = append(kept, entry)
		}
	}
	return kept
}

// tail returns the last lines of text.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return strings.Join(all, "\n")
}
