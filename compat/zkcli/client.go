package zkcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A client is a running zkCli.
type client struct {
	cmd   *exec.Cmd
	input io.WriteCloser
	// more has a token if output may have grown since it was last looked at.
	more chan struct{}

	mu     sync.Mutex // guards the two below
	output []byte     // what was printed and not yet taken
	ended  bool       // nothing will follow

	// The rest belongs to whoever plays the script.
	text    string // printed, not yet said, events taken out
	events  []string
	heads   int // announcements of events; each is followed by its event
	prompts int
	shown   string // the prompt without its number, as it was last said
	exited  bool
}

// prompt is what zkCli prints when it waits for a command: the server, the state of its session
// and how many commands it has had.
var prompt = regexp.MustCompile(`\[zk: (\S*)\(([A-Z_]+)\) (\d+)\] `)

// head and event are the two messages a watcher prints. Each is printed in one piece, so that
// whatever stands before and behind it belongs together.
const head = "\nWATCHER::\n"

var event = regexp.MustCompile(`\n(WatchedEvent state:[^\n]*)\n`)

// synced is what is printed when a sync was answered, on the thread that runs the watchers and
// after them.
const synced = "Sync is OK\n"

// passing are the states that a session gets into by itself, at a moment that a prompt may see or
// not. Scripts wait for the event instead.
var passing = map[string]bool{"CONNECTING": true, "AUTH_FAILED": true}

// transient matches the events not worth a line: that the client has connected, which stands at a
// random place in the output of a client that runs a single command, and that it was closed,
// which a client that ends prints or not.
var transient = regexp.MustCompile(`state:(SyncConnected type:None|Closed)`)

// startClient starts zkCli in dir. It runs until it ends by itself, end or kill.
func startClient(s Setup, dir, log string, args []string) (*client, error) {
	// The first compiler and the serial collector halve the start. The program's log goes to a
	// file: what is left is what it prints.
	args = append([]string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m",
		"-Xshare:auto", "-Dfile.encoding=UTF-8", "-Duser.timezone=UTC", "-Duser.language=en",
		"-Duser.country=US", "-Djava.awt.headless=true",
		"-Djline.terminal=jline.UnsupportedTerminal", "-Djline.inputrc=/dev/null",
		"-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.logFile=" + log,
		"-cp", s.Classpath, "org.apache.zookeeper.ZooKeeperMain"}, args...)
	c := &client{cmd: exec.Command(s.Java, args...), more: make(chan struct{}, 1)}
	c.cmd.Dir, c.cmd.Env = dir, append(s.Env, "LC_ALL=C.UTF-8")
	var err error
	if c.input, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c.cmd.Stdout, c.cmd.Stderr = writer, writer // one pipe: in the order in which it was printed
	err = c.cmd.Start()
	writer.Close()
	if err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	go c.read(reader)
	return c, nil
}

// read moves what the program prints to output, until it has ended.
func (c *client) read(from *os.File) {
	defer from.Close()
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		c.mu.Lock()
		c.output = append(c.output, buf[:n]...)
		c.ended = err != nil
		c.mu.Unlock()
		select {
		case c.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// take moves what was printed to text and events, and reports whether that is all there will be.
func (c *client) take() bool {
	c.mu.Lock()
	c.text += string(c.output)
	c.output = c.output[:0]
	ended := c.ended
	c.mu.Unlock()
	c.heads += strings.Count(c.text, head)
	c.text = strings.ReplaceAll(c.text, head, "")
	for _, found := range event.FindAllStringSubmatch(c.text, -1) {
		c.events = append(c.events, found[1])
	}
	c.text = event.ReplaceAllString(c.text, "")
	return ended
}

// wait waits until done says so after something was printed, or the program has ended.
func (c *client) wait(ctx context.Context, done func() bool) error {
	for {
		ended := c.take()
		if done() {
			return nil
		}
		if ended {
			c.exited = true
			return nil
		}
		select {
		case <-c.more:
		case <-ctx.Done():
			return fmt.Errorf("%w; printed so far: %q, events %q", context.Cause(ctx), c.text,
				c.events)
		}
	}
}

// next waits for the next prompt, or the end of the program, and returns what the command printed
// and the change of the prompt, and if it was a sync the events as well.
func (c *client) next(ctx context.Context, command string) ([]string, error) {
	var at []int
	err := c.wait(ctx, func() bool {
		at = prompt.FindStringSubmatchIndex(c.text)
		return at != nil
	})
	if err != nil {
		return nil, err
	}
	if c.exited {
		return c.finish()
	}
	number := c.text[at[6]:at[7]]
	if number != fmt.Sprint(c.prompts) {
		return nil, fmt.Errorf("prompt %q, want number %d", c.text[at[0]:at[1]], c.prompts)
	}
	c.prompts++
	text := c.text[:at[0]]
	lines := printed(inOrder(command, text))
	if text == synced {
		told, err := c.tell(len(c.events))
		if err != nil {
			return nil, err
		}
		lines = append(lines, told...)
	}
	state := c.text[at[4]:at[5]]
	if shown := c.text[at[2]:at[5]] + ")"; shown != c.shown && !passing[state] {
		c.shown = shown
		lines = append(lines, "= "+shown)
	}
	c.text = c.text[at[1]:]
	return lines, nil
}

// await waits for an event whose line, before its zxid, ends in suffix, and tells all up to it.
func (c *client) await(ctx context.Context, suffix string) ([]string, error) {
	found := -1
	err := c.wait(ctx, func() bool {
		for i, e := range c.events {
			if what, _, _ := strings.Cut(e, " zxid: "); strings.HasSuffix(what, suffix) {
				found = i
				return true
			}
		}
		return false
	})
	if err != nil {
		return nil, err
	}
	if found < 0 {
		return nil, fmt.Errorf("zkCli ended before an event %q; events %q", suffix, c.events)
	}
	return c.tell(found + 1)
}

// tell returns the first n events.
func (c *client) tell(n int) ([]string, error) {
	if c.heads < n {
		return nil, fmt.Errorf("%d announcements of %d events: %q", c.heads, n, c.events)
	}
	c.heads -= n
	told := c.events[:n]
	for i := range told {
		// The client makes these itself, and takes their kinds from a map without an order.
		for j := i; j > 0 && sameRemoval(told[j-1], told[j]) && told[j] < told[j-1]; j-- {
			told[j-1], told[j] = told[j], told[j-1]
		}
	}
	var lines []string
	for _, e := range told {
		lines = append(lines, "! "+e)
	}
	c.events = c.events[n:]
	return lines, nil
}

// removal matches the event of a watch that its own client has removed; its group is the node.
var removal = regexp.MustCompile(`type:(?:Data|Child|Persistent)WatchRemoved path:(.*) zxid`)

// sameRemoval reports whether both are the ends of watches on one node.
func sameRemoval(a, b string) bool {
	x, y := removal.FindStringSubmatch(a), removal.FindStringSubmatch(b)
	return x != nil && y != nil && x[1] == y[1]
}

// finish waits for the end of the program and returns what it printed last.
func (c *client) finish() ([]string, error) {
	lines := printed(c.text)
	for _, e := range c.events {
		if !transient.MatchString(e) {
			lines = append(lines, "! "+e)
		}
	}
	c.text, c.events = "", nil
	err := c.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	return append(lines, fmt.Sprintf("= exit %d", c.cmd.ProcessState.ExitCode())), nil
}

// end closes the program's input and waits for its end.
func (c *client) end(ctx context.Context) ([]string, error) {
	if err := c.input.Close(); err != nil {
		return nil, err
	}
	if err := c.wait(ctx, func() bool { return false }); err != nil {
		return nil, err
	}
	return c.finish()
}

// kill ends the program if it still runs, and waits for the last of its output.
func (c *client) kill() {
	if c.exited {
		return
	}
	_ = c.cmd.Process.Kill() // it may have ended by itself
	_ = c.cmd.Wait()         // says that it was killed
	for !c.take() {
		<-c.more
	}
}

// inOrder sorts what ZooKeeper takes from a hash table and the program prints as it comes: the
// paths of getEphemerals and the identities of whoami.
func inOrder(command, text string) string {
	switch command {
	case "getEphemerals":
		if list, ok := strings.CutPrefix(text, "["); ok {
			paths := strings.Split(strings.TrimSuffix(list, "]\n"), ", ")
			slices.Sort(paths)
			return "[" + strings.Join(paths, ", ") + "]\n"
		}
	case "whoami":
		if title, list, ok := strings.Cut(text, "\n"); ok {
			lines := strings.SplitAfter(list, "\n")
			slices.Sort(lines)
			return title + "\n" + strings.Join(lines, "")
		}
	}
	return text
}

// printed returns the lines of text as a script shows them. The places in a program where an
// exception came from say nothing about a server, and they differ between releases of Java.
func printed(text string) []string {
	if text == "" {
		return nil
	}
	var lines []string
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, "\tat "), strings.HasPrefix(line, "\t... "):
		case line == "":
			lines = append(lines, "|")
		default:
			lines = append(lines, "| "+line)
		}
	}
	return lines
}
