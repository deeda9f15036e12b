package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestNotify starts the program as systemd does, and listens to what it tells.
func TestNotify(t *testing.T) {
	for _, socket := range []string{filepath.Join(t.TempDir(), "notify"),
		fmt.Sprintf("@vivarium-test-%d", os.Getpid())} {
		t.Run(socket[:1], func(t *testing.T) { notify(t, socket) })
	}
}

func notify(t *testing.T, socket string) {
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	hear := func() string {
		t.Helper()
		if err := l.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		n, err := l.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "zoo.cfg")
	text := "dataDir=" + dir + "/data\nclientPort=0\nclientPortAddress=127.0.0.1\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("vivarium", "serve", "--config", file)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=300000")
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	defer cmd.Process.Kill()
	first := hear()
	address, ready := strings.CutPrefix(first, "READY=1\nSTATUS=serving clients on ")
	if !ready {
		t.Fatalf("told %q first, want READY=1", first)
	}
	// It is ready: who asks now is answered.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := statusByWords(ctx, address); err != nil {
		t.Errorf("told READY=1 and does not serve: %v", err)
	}
	for range 3 {
		if got := hear(); got != "WATCHDOG=1" {
			t.Fatalf("told %q, want WATCHDOG=1", got)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	last := hear()
	for last == "WATCHDOG=1" {
		last = hear()
	}
	if !strings.HasPrefix(last, "STOPPING=1\n") {
		t.Errorf("told %q, want STOPPING=1", last)
	}
	if err := <-exited; err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// fake is a server that lives as long as it is told to.
type fake struct {
	serving chan struct{}
	hangs   atomic.Bool
}

func (f *fake) Serving() <-chan struct{} { return f.serving }

func (f *fake) Alive(ctx context.Context) error {
	if f.hangs.Load() {
		<-ctx.Done()
	}
	return ctx.Err()
}

// TestGuard sees no sign of life of a server that hangs.
func TestGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards told
		var told []string
		var log bytes.Buffer
		m := &manager{log: slog.New(slog.NewTextHandler(&log, nil)), watchdog: 30 * time.Second,
			send: func(lines string) (bool, error) {
				first, _, _ := strings.Cut(lines, "\n")
				mu.Lock()
				defer mu.Unlock()
				told = append(told, first)
				return true, nil
			}}
		s := &fake{serving: make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { m.follow(ctx, s, "here", nil); close(done) }()
		check := func(when string, want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff(want, told); diff != "" {
				t.Errorf("told %s (-want +got):\n%s", when, diff)
			}
			told = nil
		}
		time.Sleep(time.Minute)
		check("while it starts")
		close(s.serving)
		check("when it serves", "READY=1")
		time.Sleep(35 * time.Second)
		check("while it lives", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1")
		s.hangs.Store(true)
		time.Sleep(time.Minute)
		check("while it hangs")
		if !strings.Contains(log.String(), "the server hangs") {
			t.Errorf("the log does not say so: %s", log.String())
		}
		stop()
		<-done
		check("when it stops", "STOPPING=1")
	})
}

// TestNoManager tells nobody.
func TestNoManager(t *testing.T) {
	told := 0
	m := &manager{log: slog.New(slog.DiscardHandler), watchdog: time.Nanosecond,
		send: func(string) (bool, error) { told++; return false, nil }}
	s := &fake{serving: make(chan struct{})}
	close(s.serving)
	m.follow(t.Context(), s, "here", nil)
	if told != 1 {
		t.Errorf("told nobody %d times, want to give up after the first", told)
	}
	m.send = func(string) (bool, error) { return false, errors.New("no such socket") }
	ended := make(chan struct{})
	close(ended)
	m.follow(t.Context(), s, "here", ended) // a manager that cannot be told is no reason to stop
}
