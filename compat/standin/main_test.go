package main

import (
	"io"
	"net"
	"testing"
)

func TestOldDate(t *testing.T) {
	const rest = "\nLatency min/avg/max: 0/0.0/0\nMode: standalone\n"
	tests := []struct{ in, want string }{
		{"Zookeeper version: 3.9.4-7246, built on 2025-08-19 19:53 UTC" + rest,
			"Zookeeper version: 3.9.4-7246, built on 08/19/2025 19:53 UTC" + rest},
		{"Zookeeper version: 3.4.6-1569965, built on 02/20/2014 09:09 GMT" + rest,
			"Zookeeper version: 3.4.6-1569965, built on 02/20/2014 09:09 GMT" + rest},
		{"This ZooKeeper instance is not currently serving requests",
			"This ZooKeeper instance is not currently serving requests"},
		{"", ""},
	}
	for _, tt := range tests {
		if got := string(oldDate([]byte(tt.in))); got != tt.want {
			t.Errorf("oldDate(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestServe sends the same answer over both paths: translated after srvr, untouched otherwise.
func TestServe(t *testing.T) {
	const answer = "Zookeeper version: 1, built on 2025-08-19 19:53 UTC\nrest"
	const translated = "Zookeeper version: 1, built on 08/19/2025 19:53 UTC\nrest"
	tests := []struct{ word, want string }{
		{"srvr", translated},
		{"stat", answer},
		{"\x00\x00\x00\x2c", answer},
	}
	for _, tt := range tests {
		server, front := listenLocal(t), listenLocal(t)
		go func() {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			if _, err := io.CopyN(io.Discard, conn, int64(len(tt.word))); err == nil {
				_, _ = io.WriteString(conn, answer)
			}
		}()
		go func() {
			if conn, err := front.Accept(); err == nil {
				serve(conn.(*net.TCPConn), server.Addr().String())
			}
		}()
		client, err := net.Dial("tcp", front.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(client, tt.word); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(client)
		client.Close()
		if err != nil || string(got) != tt.want {
			t.Errorf("after %q: %q, %v, want %q", tt.word, got, err, tt.want)
		}
	}
}

func listenLocal(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
