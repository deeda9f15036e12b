// Proxy records the frames between ZooKeeper clients and a server, one text line each. See
// README.md beside the golden files.
//
//	go run proxy.go -server 127.0.0.1:2181 -out client.hex
//
// It prints two addresses: the one clients connect to, and a control address, on which a
// driver sends lines: "step NAME" names the frames to come, "drop" closes all connections.
// It ends when its standard input does.
package main

import (
	"bufio"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
)

type recorder struct {
	mu    sync.Mutex // guards all fields
	out   *bufio.Writer
	step  string
	conns map[net.Conn]bool
	seen  map[string]bool
}

// pending remembers which operation a reply answers.
type pending struct {
	connected map[byte]bool
	ops       map[int32][]int32
}

func main() {
	server := flag.String("server", "", "address of the real server")
	out := flag.String("out", "", "file to write")
	flag.Parse()
	f, err := os.Create(*out)
	check(err)
	rec := &recorder{out: bufio.NewWriter(f), step: "start", conns: map[net.Conn]bool{},
		seen: map[string]bool{}}
	front, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	control, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println(front.Addr(), control.Addr())
	go accept(control, rec.control)
	go accept(front, func(c net.Conn) { rec.proxy(c, *server) })
	_, _ = io.Copy(io.Discard, os.Stdin)
	rec.mu.Lock()
	check(rec.out.Flush())
	check(f.Close())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "proxy:", err)
		os.Exit(1)
	}
}

func accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		check(err)
		go serve(c)
	}
}

func (rec *recorder) control(c net.Conn) {
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		rec.mu.Lock()
		switch word, rest, _ := strings.Cut(lines.Text(), " "); word {
		case "step":
			rec.step = rest
		case "drop":
			for conn := range rec.conns {
				conn.Close()
			}
			clear(rec.conns)
		}
		rec.mu.Unlock()
		fmt.Fprintln(c, "ok")
	}
}

func (rec *recorder) proxy(client net.Conn, address string) {
	server, err := net.Dial("tcp", address)
	check(err)
	rec.mu.Lock()
	rec.conns[client], rec.conns[server] = true, true
	rec.mu.Unlock()
	p := &pending{connected: map[byte]bool{}, ops: map[int32][]int32{}}
	go rec.pump(server, client, '<', p)
	rec.pump(client, server, '>', p)
}

func (rec *recorder) pump(from, to net.Conn, dir byte, p *pending) {
	defer from.Close()
	defer to.Close()
	for {
		frame := make([]byte, 4)
		if _, err := io.ReadFull(from, frame); err != nil {
			return
		}
		frame = append(frame, make([]byte, binary.BigEndian.Uint32(frame))...)
		if _, err := io.ReadFull(from, frame[4:]); err != nil {
			return
		}
		rec.frame(frame, dir, p)
		if _, err := to.Write(frame); err != nil {
			return
		}
	}
}

// frame writes a line "step dir op hex". Pings after the first are left out: their number
// depends on the clock.
func (rec *recorder) frame(frame []byte, dir byte, p *pending) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	op := p.name(frame, dir)
	if op == "11" && rec.seen[string(dir)+op] {
		return
	}
	rec.seen[string(dir)+op] = true
	fmt.Fprintf(rec.out, "%s %c %s %x\n", rec.step, dir, op, frame)
	check(rec.out.Flush())
}

// name returns the number of the operation a frame belongs to, "connect" or "0" for events.
func (p *pending) name(frame []byte, dir byte) string {
	if !p.connected[dir] {
		p.connected[dir] = true
		return "connect"
	}
	xid := int32(binary.BigEndian.Uint32(frame[4:]))
	if dir == '>' {
		op := int32(binary.BigEndian.Uint32(frame[8:]))
		p.ops[xid] = append(p.ops[xid], op)
		return fmt.Sprint(op)
	}
	if xid == -1 {
		return "0"
	}
	op := p.ops[xid][0]
	p.ops[xid] = p.ops[xid][1:]
	return fmt.Sprint(op)
}
