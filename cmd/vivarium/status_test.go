package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// answering is a server that answers every four-letter word from a table, and closes.
func answering(t *testing.T, answers map[string]string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			var word [4]byte
			if _, err := io.ReadFull(nc, word[:]); err == nil {
				_, _ = io.WriteString(nc, answers[string(word[:])])
			}
			nc.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

const (
	follower = "Zookeeper version: 3.8.4-9316c2a7a97e1666d8f4593f34dd6fc36ecc436c, built on " +
		"2024-02-12 22:16 UTC\nLatency min/avg/max: 0/1.5/20\nReceived: 12\nSent: 11\n" +
		"Connections: 3\nOutstanding: 0\nZxid: 0x700000009\nMode: follower\nNode count: 55\n"
	refusal = "srvr is not executed because it is not in the whitelist.\n"
)

func TestStatusByWords(t *testing.T) {
	for _, test := range []struct {
		name, srvr, mntr string
		want, wantErr    string
	}{
		{"both", follower, "zk_version\t3.8.4\nzk_server_state\tfollower\nzk_watch_count\t4\n" +
			"zk_uptime\t90061000\nzk_global_sessions\t2\nzk_ephemerals_count\t6\n" +
			"zk_approximate_data_size\t1234567\nzk_avg_latency\t1.5\n",
			"serving: follower, version 3.8.4, on ADDR, up 1d1h\n" +
				"  clients   3 connections, 2 sessions, 4 watches, 0 requests waiting\n" +
				"  data      55 znodes (6 ephemeral), 1.2 MB of data, last zxid 0x700000009\n" +
				"  latency   requests min 0, avg 1.5, max 20 ms", ""},
		{"mntr is refused", follower, refusal,
			"serving: follower, version 3.8.4-9316c2a7a97e1666d8f4593f34dd6fc36ecc436c, " +
				"built on 2024-02-12 22:16 UTC, on ADDR\n" +
				"  clients   3 connections, 0 requests waiting\n" +
				"  data      55 znodes, last zxid 0x700000009\n" +
				"  latency   requests min 0, avg 1.5, max 20 ms\n" +
				"  notice    sessions, watches, uptime and sizes are not known: mntr: the " +
				"server's 4lw.commands.whitelist does not name it", ""},
		{"srvr is refused", refusal, "zk_server_state\tleader\nzk_znode_count\t5\n",
			"serving: leader, on ADDR\n  data      5 znodes", ""},
		{"both are refused", refusal, refusal, "", "ADDR: srvr: the server's " +
			"4lw.commands.whitelist does not name it: add srvr and mntr to it, or ask on the " +
			"server's machine with --data-dir"},
		{"no quorum", "This ZooKeeper instance is not currently serving requests\n", "", "",
			"ADDR: the server is up and serves nobody"},
		{"silence", "", "", "", "ADDR: the connection was closed without an answer"},
		{"another protocol", "SSH-2.0-OpenSSH\r\n", "", "", "ADDR: that is no answer of a " +
			"ZooKeeper or a Vivarium: \"SSH-2.0-OpenSSH\\r\\n\": is that the client port?"},
		{"numbers that are none", "Mode: standalone\nConnections: many\nLatency min/avg/max: 1\n",
			"", "serving: standalone, on ADDR\n  notice    sessions, watches, uptime and sizes " +
				"are not known: mntr: the connection was closed without an answer", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			addr := answering(t, map[string]string{"srvr": test.srvr, "mntr": test.mntr})
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			r, err := askServer(ctx, addr)
			got, gotErr := "", ""
			if err != nil {
				gotErr = strings.ReplaceAll(err.Error(), addr, "ADDR")
			} else {
				got = strings.ReplaceAll(r.String(), addr, "ADDR")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("srvr %q, mntr %q (-want +got):\n%s", test.srvr, test.mntr, diff)
			}
			if gotErr != test.wantErr {
				t.Errorf("srvr %q, mntr %q: error %q, want %q", test.srvr, test.mntr, gotErr,
					test.wantErr)
			}
		})
	}
}

// TestStatusTakesNoLonger asks somebody who says nothing.
func TestStatusTakesNoLonger(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	root := newRoot()
	root.SetArgs([]string{"status", "--timeout", "20ms", "--server", l.Addr().String()})
	err = root.ExecuteContext(t.Context())
	if err == nil || !strings.Contains(err.Error(), "i/o timeout (--timeout gives it longer)") {
		t.Errorf("a server that says nothing: %v", err)
	}
}

// TestStatusOfZooKeeper asks a real one, with and without its words.
func TestStatusOfZooKeeper(t *testing.T) {
	for _, test := range []struct{ words, want string }{
		{"*", "watches, 0 requests waiting\n  data      5 znodes (0 ephemeral), 44 B of data"},
		// It answers srvr always.
		{"ruok", "data      5 znodes, last zxid 0x0\n" +
			"  latency   requests min 0, avg 0, max 0 ms\n" +
			"  notice    sessions, watches, uptime and sizes are not known: mntr: the server's " +
			"4lw"},
	} {
		t.Run(test.words, func(t *testing.T) {
			z := startZooKeeper(t, t.TempDir(), freeAddress(t),
				"-Dzookeeper.4lw.commands.whitelist="+test.words)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			r, err := askServer(ctx, z.addr)
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				got = r.String()
			}
			if !strings.Contains(got, test.want) {
				t.Errorf("whitelist %s: %s, want %q in it", test.words, got, test.want)
			}
		})
	}
}

func TestSpanAndSize(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", 12 * time.Millisecond: "12ms",
		1500 * time.Millisecond: "1.5s", 90 * time.Second: "1m30s", time.Hour: "1h0m",
		59*time.Second + 990*time.Millisecond: "1m", 25 * time.Hour: "1d1h"} {
		if got := span(d.Milliseconds()); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB",
		134229948: "134.2 MB", 3e12: "3.0 TB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

// TestStatusOfAnotherUser: the server's dataDir, and with it its number, is its own user's alone.
func TestStatusOfAnotherUser(t *testing.T) {
	dir := t.TempDir()
	host, port, err := net.SplitHostPort(answering(t, map[string]string{"srvr": follower}))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "zoo.cfg")
	text := fmt.Sprintf("dataDir=%s\nclientPort=%s\nclientPortAddress=%s\n",
		filepath.Join(dir, "data"), port, host)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	private := "myid"
	f := statusFlags{config: file, timeout: patience, readFile: func(name string) ([]byte, error) {
		if filepath.Base(name) == private {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
		}
		return os.ReadFile(name)
	}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := f.ask(ctx)
	if err != nil || r.Mode != "follower" || r.Source != "words" {
		t.Errorf("whose myid is private: %+v, %v, want what the words say", r, err)
	}
	// What the answer depends on has to be read all the same.
	private = "zoo.cfg"
	if r, err := f.ask(ctx); err == nil {
		t.Errorf("whose configuration is private: %+v, want an error", r)
	}
}

// TestStatusShowsNoControls of whoever answers at that address.
func TestStatusShowsNoControls(t *testing.T) {
	addr := answering(t, map[string]string{"srvr": "Zookeeper version: 3\x1b[2J\x07\n" +
		"Zxid: 0x1\x1b[1m\nMode: follower\x1b]0;title\x07\n"})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := statusByWords(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	if text := r.String(); strings.ContainsAny(text, "\x1b\x07") ||
		!strings.Contains(text, "follower") {
		t.Errorf("status shows %q", text)
	}
}
