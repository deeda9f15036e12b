package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// manager tells the service manager, systemd, what the server does: sd_notify(3). Without
// NOTIFY_SOCKET in the environment there is none, and nothing is told.
type manager struct {
	log *slog.Logger
	// send passes on lines of NAME=value, and says whether there is somebody to take them.
	send func(lines string) (bool, error)
	// watchdog is how long the manager waits for a sign of life before it ends the server; 0
	// is for ever.
	watchdog time.Duration
}

func newManager(log *slog.Logger) *manager {
	m := &manager{log: log, send: func(lines string) (bool, error) {
		return daemon.SdNotify(false, lines)
	}}
	var err error
	if m.watchdog, err = daemon.SdWatchdogEnabled(false); err != nil {
		log.Warn("no signs of life for the service manager", "error", err)
	}
	return m
}

// watched is a server as its manager sees it.
type watched interface {
	Serving() <-chan struct{}
	Alive(ctx context.Context) error
}

// follow tells what becomes of the server until ended is closed. ctx ends when the server is told
// to stop.
func (m *manager) follow(ctx context.Context, s watched, address string, ended <-chan struct{}) {
	select {
	case <-s.Serving():
		if !m.tell("READY=1\nSTATUS=serving clients on " + address) {
			return
		}
		m.guard(ctx, s, ended)
	case <-ctx.Done():
	case <-ended:
	}
	m.tell("STOPPING=1\nSTATUS=stopping: replies out, state saved")
}

// guard sends signs of life, as long as there are any, until the server stops. Three fit into
// the time that the manager waits.
func (m *manager) guard(ctx context.Context, s watched, ended <-chan struct{}) {
	var due <-chan time.Time
	pause := m.watchdog / 3
	if pause > 0 {
		ticker := time.NewTicker(pause)
		defer ticker.Stop()
		due = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ended:
			return
		case <-due:
		}
		asking, cancel := context.WithTimeout(ctx, pause)
		err := s.Alive(asking)
		cancel()
		switch {
		case err == nil:
			m.tell(daemon.SdNotifyWatchdog)
		case errors.Is(err, context.DeadlineExceeded):
			m.log.Error("the server hangs: the service manager gets no sign of life",
				"for", pause.String(), "watchdog", m.watchdog.String())
		}
	}
}

// tell returns false if nobody listens.
func (m *manager) tell(lines string) bool {
	told, err := m.send(lines)
	if err != nil {
		m.log.Warn("the service manager was not told", "what", lines, "error", err)
	}
	return told || err != nil
}
