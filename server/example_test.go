package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/server/config"
)

// A server inside another program, as a test of a client wants it: data in a directory of its
// own, a free port on this machine, and nothing in the log.
func Example() {
	dir, err := os.MkdirTemp("", "vivarium-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	s, err := server.New(server.Options{
		Config: &config.Config{DataDir: dir, ClientAddress: "127.0.0.1:0"},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	<-s.Serving()
	fmt.Println("serving on", s.Addr().Network())
	stop()
	fmt.Println("stopped:", <-done)
	// Output:
	// serving on tcp
	// stopped: <nil>
}
