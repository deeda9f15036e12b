// Command standin starts a server for go-zookeeper's tests, as their zkServer.sh, and translates
// one line of what it says.
//
// The tests wait for a server with the client's own FLWSrvr, and that cannot read the build date of
// any ZooKeeper since 3.7: it wants "built on 08/19/2025 19:53 UTC", servers say "built on
// 2025-08-19 19:53 UTC". Unhelped, not one integration test starts against the real server. Neither
// the tests, nor the client, nor a server is to change for it, so the date is turned around on the
// way, the same for every kind of server:
//
//	test -> port of the test's zoo.cfg: translator -> another port: server
//
// Only the answer to srvr is changed; all else is copied byte for byte. The process the tests
// started becomes the server itself, so that their kill -9 hits it and nothing else; the translator
// is its child, listens once the server does, and ends with it.
//
//	standin start-foreground <zoo.cfg>
//
// The environment is that of compat/servers/zkServer.sh; COMPAT_ZKSERVER is its path.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// translateArg tells the program, started by itself, that it is the translator.
const translateArg = "translate"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "standin: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "start-foreground":
		return start(args[1])
	case len(args) == 3 && args[0] == translateArg:
		return translate(args[1], args[2])
	}
	return fmt.Errorf("arguments %q: want start-foreground <zoo.cfg>", args)
}

var clientPort = regexp.MustCompile(`(?m)^clientPort=(\d+)$`)

// start starts the translator and becomes the server. It returns only on failure.
func start(config string) error {
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	found := clientPort.FindSubmatch(text)
	if found == nil {
		return fmt.Errorf("%s: no clientPort", config)
	}
	outer := "127.0.0.1:" + string(found[1])
	port, err := freePort()
	if err != nil {
		return err
	}
	moved := config + ".moved"
	text = clientPort.ReplaceAll(text, fmt.Appendf(nil, "clientPort=%d", port))
	if err := os.WriteFile(moved, text, 0o600); err != nil {
		return err
	}
	if err := startTranslator(outer, fmt.Sprintf("127.0.0.1:%d", port)); err != nil {
		return err
	}
	script := os.Getenv("COMPAT_ZKSERVER")
	return syscall.Exec(script, []string{script, "start-foreground", moved}, os.Environ())
}

// startTranslator starts this program again. Its standard input is a pipe whose other end stays
// with this process, whatever it becomes: the translator reads the end of file when that dies.
func startTranslator(outer, inner string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	// Nothing of the test's pipes: it waits for the end of these when it stops a server.
	cmd := exec.Command(self, translateArg, outer, inner)
	cmd.Stdin = reader
	log, err := os.OpenFile(filepath.Join(os.Getenv("COMPAT_LOGS"), "standin.log"),
		os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return err
	}
	// A copy, because the original closes when this process becomes another.
	_, err = syscall.Dup(int(writer.Fd()))
	return err
}

// freePort returns a free port below those that the kernel gives to outgoing connections, which
// must not be in the way when the server binds it.
func freePort() (int, error) {
	const first, count = 20000, 10000
	for i := range 200 {
		// The process id spreads servers that start at the same time.
		port := first + (os.Getpid()*37+i*101)%count
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no free port among 200 tried")
}

// translate stands at outer for the server at inner until standard input ends.
func translate(outer, inner string) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := waitFor(ctx, inner); err != nil {
		return err
	}
	l, err := listen(ctx, outer)
	if err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		// At once and with all connections, as a killed server goes.
		os.Exit(0)
	}()
	for {
		client, err := l.Accept()
		if err != nil {
			return err
		}
		go serve(client.(*net.TCPConn), inner)
	}
}

// every is how often the translator looks whether a port is there.
const every = 10 * time.Millisecond

// waitFor returns when something listens at addr.
func waitFor(ctx context.Context, addr string) error {
	for ctx.Err() == nil {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			return conn.Close()
		}
		time.Sleep(every)
	}
	return ctx.Err()
}

// listen listens at addr, which a translator that is just ending may still hold.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	for {
		l, err := net.Listen("tcp", addr)
		if err == nil || ctx.Err() != nil {
			return l, err
		}
		time.Sleep(every)
	}
}

// serve connects client with the server.
func serve(client *net.TCPConn, inner string) {
	defer client.Close()
	conn, err := net.Dial("tcp", inner)
	if err != nil {
		return
	}
	server := conn.(*net.TCPConn)
	defer server.Close()

	// A client speaks first, with a length or a word.
	var word [4]byte
	n, err := io.ReadFull(client, word[:])
	if _, werr := server.Write(word[:n]); err != nil || werr != nil {
		return
	}
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.CloseWrite()
	}()
	if string(word[:]) != "srvr" {
		_, _ = io.Copy(client, server)
		return
	}
	answer, err := io.ReadAll(server)
	if err == nil {
		_, _ = client.Write(oldDate(answer))
	}
}

var isoDate = regexp.MustCompile(`built on (\d{4})-(\d\d)-(\d\d) `)

// oldDate writes the build date in the answer to srvr as servers before 3.7 did.
func oldDate(answer []byte) []byte {
	line, rest, found := bytes.Cut(answer, []byte("\n"))
	if !found || !strings.HasPrefix(string(line), "Zookeeper version: ") {
		return answer
	}
	line = isoDate.ReplaceAll(line, []byte("built on $2/$3/$1 "))
	return append(append(bytes.Clone(line), '\n'), rest...)
}
