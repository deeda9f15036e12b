package zkcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The limits of a play. A step takes a tenth of a second, one that starts Java a second, one that
// waits for the end of a session up to six.
const (
	stepTime  = time.Minute
	startTime = time.Minute
	stopTime  = 10 * time.Second
)

// A Setup is where a script is played.
type Setup struct {
	// Java is the command, Classpath its jars: those of a distribution of ZooKeeper.
	Java, Classpath string
	// Server is the command that starts a server in the foreground; the path of its zoo.cfg is
	// added. ServerEnv is added to Env for it.
	Server    []string
	ServerEnv []string
	// Env is the environment of every process.
	Env []string
	// Folder is an empty one, for files, data and logs.
	Folder string
}

// A player plays one script.
type player struct {
	Setup
	address string
	began   time.Time
	server  *exec.Cmd
	gone    chan error // gets the server's end
	clients map[string]*client
	config  string // the path of zoo.cfg
	flags   string // system properties of the server
	started int    // clients
}

// usual is the configuration of every server: whatever a command may want is switched on. A tick is
// short, so that a session may be; but one that asks for the program's 30 s gets them.
const usual = `dataDir=%s
clientPort=%d
clientPortAddress=127.0.0.1
admin.enableServer=false
tickTime=500
maxSessionTimeout=40000
extendedTypesEnabled=true
4lw.commands.whitelist=*
`

// Play does what the script says and returns what each step printed, masked. With an error come
// the steps before it.
func (s *Script) Play(ctx context.Context, setup Setup) ([][]string, error) {
	p := &player{Setup: setup, began: time.Now(), clients: map[string]*client{}}
	got := make([][]string, len(s.Steps))
	err := func() error {
		for i, step := range s.Steps {
			var err error
			if got[i], err = p.step(ctx, step); err != nil {
				return fmt.Errorf("%s:%d: %s: %w", s.Name, step.Line, step.source, err)
			}
		}
		return nil
	}()
	for _, c := range p.clients {
		c.kill()
	}
	err = errors.Join(err, p.stop())
	if p.address == "" {
		return got, err // nothing ran
	}
	m := &masker{began: p.began, ended: time.Now(),
		replace: strings.NewReplacer(p.address, "<server>", p.Folder, "<dir>")}
	return m.mask(got), err
}

// step does one step.
func (p *player) step(ctx context.Context, step Step) ([]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, stepTime,
		fmt.Errorf("not done after %s", stepTime))
	defer cancel()
	text := strings.NewReplacer("<server>", p.address, "<dir>", p.Folder).Replace(step.Text)
	switch step.Kind {
	case "server":
		return nil, p.serve(ctx, strings.Fields(text))
	case "file":
		name, line, _ := strings.Cut(text, " ")
		return nil, p.appendFile(name, line)
	}
	if p.server == nil {
		return nil, errors.New("no [server] yet")
	}
	switch step.Kind {
	case "restart":
		return nil, errors.Join(p.stop(), p.launch(ctx))
	case "start":
		if p.clients[step.Client] != nil && !p.clients[step.Client].exited {
			return nil, errors.New("it runs already")
		}
		c, err := p.startClient(append([]string{"-server", p.address}, strings.Fields(text)...))
		if err != nil {
			return nil, err
		}
		c.shown = p.address + "(CONNECTED)"
		p.clients[step.Client] = c
		return c.next(ctx, "")
	case "run":
		c, err := p.startClient(strings.Fields(text))
		if err != nil {
			return nil, err
		}
		defer c.kill()
		return c.end(ctx)
	}
	c := p.clients[step.Client]
	if c == nil || c.exited {
		return nil, errors.New("no such client")
	}
	switch step.Kind {
	case "await":
		return c.await(ctx, text)
	case "end":
		return c.end(ctx)
	}
	if _, err := io.WriteString(c.input, text+"\n"); err != nil {
		return nil, err
	}
	command, _, _ := strings.Cut(text, " ")
	return c.next(ctx, command)
}

// startClient starts zkCli with a log of its own.
func (p *player) startClient(args []string) (*client, error) {
	p.started++
	log := filepath.Join(p.Folder, fmt.Sprintf("zkcli-%d.log", p.started))
	return startClient(p.Setup, p.Folder, log, args)
}

// appendFile appends a line to a file in the folder.
func (p *player) appendFile(name, line string) error {
	f, err := os.OpenFile(filepath.Join(p.Folder, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}

// serve starts the server. Words that begin with -D are system properties of it, others lines of
// its zoo.cfg.
func (p *player) serve(ctx context.Context, words []string) error {
	if p.server != nil {
		return errors.New("there is one already")
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	p.address = "127.0.0.1:" + strconv.Itoa(port)
	text := fmt.Sprintf(usual, filepath.Join(p.Folder, "data"), port)
	// With NIO a request to connect may lie unanswered at the start, see compat/README.md.
	p.flags = "-Dzookeeper.serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory"
	for _, word := range words {
		if strings.HasPrefix(word, "-D") {
			p.flags += " " + word
		} else {
			text += word + "\n"
		}
	}
	p.config = filepath.Join(p.Folder, "zoo.cfg")
	if err := os.WriteFile(p.config, []byte(text), 0o644); err != nil {
		return err
	}
	return p.launch(ctx)
}

// launch starts the server as it was configured, and waits until it serves.
func (p *player) launch(ctx context.Context) error {
	cmd := exec.Command(p.Server[0], append(slices.Clone(p.Server[1:]), p.config)...)
	cmd.Dir = p.Folder
	cmd.Env = slices.Concat(p.Env, p.ServerEnv, []string{"SERVER_JVMFLAGS=" + p.flags})
	if err := cmd.Start(); err != nil {
		return err
	}
	p.server, p.gone = cmd, make(chan error, 1)
	go func() { p.gone <- cmd.Wait() }()
	return p.serving(ctx)
}

// serving waits until the server serves.
func (p *player) serving(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTime,
		fmt.Errorf("the server does not serve within %s", startTime))
	defer cancel()
	for {
		if strings.Contains(ask(p.address, "srvr"), "Mode:") {
			return nil
		}
		select {
		case err := <-p.gone:
			p.gone <- err
			return fmt.Errorf("the server has ended: %w", err)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the server and waits for that.
func (p *player) stop() error {
	if p.server == nil {
		return nil
	}
	server := p.server
	p.server = nil
	_ = server.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-p.gone: // its exit status is how a server says that it got the signal
		return nil
	case <-time.After(stopTime):
		_ = server.Process.Kill() // as above
		<-p.gone
		return fmt.Errorf("the server has not ended %s after SIGTERM", stopTime)
	}
}

// ask returns the answer to a four-letter word, empty if there is none.
func ask(address, word string) string {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	if conn.SetDeadline(time.Now().Add(time.Second)) != nil {
		return ""
	}
	if _, err := io.WriteString(conn, word); err != nil {
		return ""
	}
	answer, _ := io.ReadAll(conn) // what has come tells enough
	return string(answer)
}

// freePort returns a port of the loopback that is free now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
