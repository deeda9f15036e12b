package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const (
	curatorName = "curator"
	curatorMain = "com.vivariumdb.compat.curator.Main"
)

// curatorSuite is the program in compat/curator, which plays Curator's recipes between clients.
// One server is started for a run, and the scenarios are played on it, several at a time.
type curatorSuite struct {
	cache   Cache
	flaws   bool   // plant flaws, and want each scenario to notice one
	dir     string // where Maven builds
	java    string
	version string
}

// Name implements suite.
func (s *curatorSuite) Name() string { return curatorName }

// Version implements suite: Curator's.
func (s *curatorSuite) Version() string { return s.version }

// Prepare implements suite: it builds the program, in the cache, when its sources have changed.
func (s *curatorSuite) Prepare(ctx context.Context) error {
	var err error
	if s.java, err = exec.LookPath("java"); err != nil {
		return fmt.Errorf("%w: the curator suite needs Java 17 or newer", err)
	}
	sources, err := readAll(s.cache.Source("curator"))
	if err != nil {
		return err
	}
	s.dir = s.cache.Path("curator")
	err = s.cache.once(s.dir, sources, func(dir string) error {
		_, err := process{Args: []string{"mvn", "-B", "-f", s.cache.Source("curator", "pom.xml"),
			"-Ddir=" + dir, "package"}}.Output(ctx)
		return err
	})
	if err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(s.dir, "lib", "curator-recipes-*.jar"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("want one curator-recipes-<version>.jar, found %v", found)
	}
	name := strings.TrimSuffix(filepath.Base(found[0]), ".jar")
	s.version = strings.TrimPrefix(name, "curator-recipes-")
	return nil
}

// readAll returns the names and texts of all files below dir, in order.
func readAll(dir string) (string, error) {
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(&all, "%s\n%s\n", path, text)
		return err
	})
	return all.String(), err
}

// program returns a run of the program.
func (s *curatorSuite) program(args ...string) process {
	return process{Args: append([]string{s.java,
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
		"-cp", filepath.Join(s.dir, "scenarios.jar") + ":" + filepath.Join(s.dir, "lib", "*"),
		curatorMain}, args...)}
}

// Collect implements suite.
func (s *curatorSuite) Collect(ctx context.Context) ([]string, error) {
	text, err := s.program("-list").Output(ctx)
	return strings.Fields(text), err
}

// curatorConfig lets sessions be short, so that the end of one is soon there.
const curatorConfig = `tickTime=500
minSessionTimeout=1000
maxSessionTimeout=40000
maxClientCnxns=0
admin.enableServer=false
clientPortAddress=127.0.0.1
`

// curatorFlags allow TTL znodes, and have containers and TTL znodes looked at twice a second.
const curatorFlags = "-Dzookeeper.extendedTypesEnabled=true -Dznode.container.checkIntervalMs=500"

// Run implements suite.
func (s *curatorSuite) Run(ctx context.Context, job Job) error {
	output, err := os.Create(filepath.Join(job.Folder, "output.txt"))
	if err != nil {
		return err
	}
	defer output.Close()
	log, err := os.Create(filepath.Join(job.Folder, "client.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	data, err := os.MkdirTemp("", "curator-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(data)
	port, err := anyPort()
	if err != nil {
		return err
	}
	config := filepath.Join(data, "zoo.cfg")
	text := fmt.Sprintf("%sdataDir=%s\nclientPort=%d\n", curatorConfig, data, port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	server := process{
		Args: []string{s.cache.Source("servers", "zkServer.sh"), "start-foreground", config},
		Env: append([]string{"COMPAT_LOGS=" + job.Logs, "SERVER_JVMFLAGS=" + curatorFlags},
			job.Server.Env...),
	}
	args := []string{"-only", "^(" + alternatives(job.IDs) + ")$"}
	if s.flaws {
		// What waits in vain does so until the deadline, most of them at the same time.
		args = append(args, "-flaws", "-deadline", "20", "-jobs", "16")
	}
	program := s.program(append(args, fmt.Sprintf("127.0.0.1:%d", port))...)
	program.Stderr = log
	return beside(ctx, server, func(ctx context.Context) error {
		return playScenarios(ctx, program, output, job.Monitor)
	})
}

// anyPort returns a port that is free now.
func anyPort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// alternatives returns the pattern of exactly these ids.
func alternatives(ids []string) string {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = regexp.QuoteMeta(id)
	}
	return strings.Join(quoted, "|")
}

// beside runs work while server runs, and ends each when the other has ended.
func beside(ctx context.Context, server process, work func(ctx context.Context) error) error {
	workCtx, endWork := context.WithCancelCause(ctx)
	serverCtx, endServer := context.WithCancelCause(ctx)
	ended := make(chan error, 1)
	go func() {
		err := server.Run(serverCtx)
		if serverCtx.Err() != nil {
			ended <- nil // it was told to
			return
		}
		err = fmt.Errorf("the server ended: %w", err)
		endWork(err)
		ended <- err
	}()
	err := work(workCtx)
	endServer(nil)
	endWork(nil)
	return errors.Join(err, <-ended)
}

// playScenarios runs the program and hands its lines to m as results.
func playScenarios(ctx context.Context, program process, output io.Writer, m *monitor) error {
	reader, writer := io.Pipe()
	read := make(chan error, 1)
	go func() {
		err := readScenarios(reader, output, m)
		// Never leave the program waiting for a reader.
		_, _ = io.Copy(io.Discard, reader)
		read <- err
	}()
	program.Stdout = writer
	err := program.Run(ctx)
	writer.Close()
	err = errors.Join(err, <-read)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil // scenarios failed, which the results say
	}
	return err
}

// scenarioLine is what the program prints of a scenario.
var scenarioLine = regexp.MustCompile(`^(ok|FAILED) +(\S+) \((\d+\.\d+) s\)(?:: (.*))?$`)

// readScenarios copies r to output and hands the results in it to m.
func readScenarios(r io.Reader, output io.Writer, m *monitor) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if _, err := fmt.Fprintln(output, lines.Text()); err != nil {
			return err
		}
		found := scenarioLine.FindStringSubmatch(lines.Text())
		if found == nil {
			continue
		}
		seconds, err := strconv.ParseFloat(found[3], 64)
		if err != nil {
			return err
		}
		result := Result{ID: found[2], Outcome: passed, Seconds: seconds}
		if found[1] == "FAILED" {
			result.Outcome, result.Text = failed, found[4]
		}
		m.Done(result)
	}
	return lines.Err()
}
