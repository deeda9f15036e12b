package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

const kazooName = "kazoo"

// testTimeout is how long one of kazoo's tests may take; the longest takes 10 s.
const testTimeout = "90"

// kazoo is the suite of kazoo, the Python client: pytest in the unpacked source distribution, with
// compat/kazoo/compat_plugin.py in place of the harness that starts Java servers.
type kazoo struct {
	cache Cache
	out   io.Writer
	// want and recorded are the release asked for and that of the record.
	want, recorded string

	version string
	python  string // the interpreter of the virtual environment
	source  string // the unpacked source distribution
}

// Name implements suite.
func (k *kazoo) Name() string { return kazooName }

// Version implements suite.
func (k *kazoo) Version() string { return k.version }

// Prepare implements suite: a virtual environment with what kazoo's tests want, and its sources.
func (k *kazoo) Prepare(ctx context.Context) error {
	base, err := exec.LookPath("python3")
	if err != nil {
		return fmt.Errorf("%w: kazoo needs Python 3 with the venv module", err)
	}
	version, err := process{Args: []string{base, "-VV"}}.Output(ctx)
	if err != nil {
		return err
	}
	venv := k.cache.Path("python")
	k.python = filepath.Join(venv, "bin", "python")
	err = k.cache.once(venv, base+version, func(dir string) error {
		_, err := process{Args: []string{base, "-m", "venv", dir}}.Output(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if k.version, err = k.release(ctx); err != nil {
		return err
	}
	k.source = k.cache.Path("kazoo-" + k.version)
	err = k.cache.once(k.source, k.version, func(dir string) error {
		return k.fetch(ctx, dir)
	})
	if err != nil {
		return err
	}
	return k.install(ctx)
}

var indexLine = regexp.MustCompile(`(?m)^kazoo \(([0-9][0-9A-Za-z.]*)\)`)

// release returns the version of kazoo to use.
func (k *kazoo) release(ctx context.Context) (string, error) {
	switch k.want {
	case "recorded":
		if k.recorded == "" {
			return "", errors.New("nothing is recorded yet: use -kazoo newest")
		}
		return k.recorded, nil
	case "newest":
	default:
		return k.want, nil
	}
	out, err := k.pip("index", "versions", "kazoo").Output(ctx)
	if err == nil {
		if found := indexLine.FindStringSubmatch(out); found != nil {
			return found[1], nil
		}
		err = fmt.Errorf("no version in %q", out)
	}
	if k.recorded == "" {
		return "", fmt.Errorf("ask for the newest kazoo: %w", err)
	}
	fmt.Fprintf(k.out, "  cannot ask for the newest kazoo, using %s: %v\n", k.recorded, err)
	return k.recorded, nil
}

// pip returns a process that runs pip in the virtual environment.
func (k *kazoo) pip(args ...string) process {
	return process{Args: append([]string{k.python, "-m", "pip", "--disable-pip-version-check"},
		args...)}
}

// fetch unpacks kazoo's source distribution into dir. Wheels need not carry the tests.
func (k *kazoo) fetch(ctx context.Context, dir string) error {
	_, err := k.pip("download", "--no-deps", "--no-binary", "kazoo", "--dest", dir,
		"kazoo=="+k.version).Output(ctx)
	if err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tar.gz"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("want one source distribution, found %v", found)
	}
	return unpack(found[0], dir)
}

// install puts kazoo's test extras into the virtual environment, at the versions of the committed
// list if they can be had for this Python.
func (k *kazoo) install(ctx context.Context) error {
	constraints := k.cache.Source("kazoo", "constraints.txt")
	text, err := os.ReadFile(constraints)
	if err != nil {
		return err
	}
	version, err := process{Args: []string{k.python, "-VV"}}.Output(ctx)
	if err != nil {
		return err
	}
	done := k.cache.Path("python-packages")
	return k.cache.once(done, k.version+version+string(text), func(string) error {
		args := []string{"install", "--quiet", "kazoo[test] @ file://" + k.source}
		_, err := k.pip(append(args, "--constraint", constraints)...).Output(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		fmt.Fprintf(k.out, "  cannot install the versions of %s, taking the newest: %v\n",
			k.cache.Short(constraints), err)
		_, err = k.pip(append(args, "--upgrade")...).Output(ctx)
		return err
	})
}

// event is a line that the plug-in writes.
type event struct {
	Event   string   `json:"event"`
	ID      string   `json:"id"`
	IDs     []string `json:"ids"`
	Outcome Outcome  `json:"outcome"`
	Seconds float64  `json:"seconds"`
	Text    string   `json:"text"`
}

// Collect implements suite.
func (k *kazoo) Collect(ctx context.Context) ([]string, error) {
	var ids []string
	var broken error
	var output strings.Builder
	err := k.pytest(ctx, []string{"--collect-only"}, nil, &output, func(e event) {
		switch e.Event {
		case "collected":
			ids = e.IDs
		case "broken":
			broken = fmt.Errorf("%s: %s", e.ID, e.Text)
		}
	})
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, tail(output.String(), 30))
	}
	return ids, errors.Join(broken, err)
}

// Run implements suite.
func (k *kazoo) Run(ctx context.Context, job Job) error {
	only := filepath.Join(job.Folder, "only.txt")
	if err := os.WriteFile(only, []byte(strings.Join(job.IDs, "\n")+"\n"), 0o644); err != nil {
		return err
	}
	output, err := os.Create(filepath.Join(job.Folder, "output.txt"))
	if err != nil {
		return err
	}
	defer output.Close()
	env := append([]string{"COMPAT_ONLY=" + only, "COMPAT_LOGS=" + job.Logs}, job.Server.Env...)
	args := []string{"--junitxml=" + filepath.Join(job.Folder, "junit.xml")}
	err = k.pytest(ctx, args, env, output, func(e event) {
		switch e.Event {
		case "start":
			job.Monitor.Started(e.ID)
		case "result":
			job.Monitor.Done(Result{ID: e.ID, Outcome: e.Outcome, Seconds: e.Seconds,
				Text: e.Text})
		}
	})
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil // tests failed, which the results say
	}
	return err
}

// pytest runs pytest in kazoo's sources and calls handle for each line of the plug-in.
func (k *kazoo) pytest(ctx context.Context, args, env []string, output io.Writer,
	handle func(event)) error {

	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	read := make(chan error, 1)
	go func() { read <- decode(reader, handle) }()

	// The options of kazoo's pyproject.toml are for people who watch: a line per test, and the
	// log while it runs.
	args = append([]string{k.python, "-m", "pytest", "-p", "compat_plugin",
		"-p", "no:cacheprovider", "-o", "addopts=", "-o", "log_cli=false", "-q",
		"--timeout=" + testTimeout}, args...)
	err = process{
		Dir:    k.source,
		Args:   append(args, "kazoo/tests"),
		Stdout: output,
		Stderr: output,
		Events: writer,
		Env: append([]string{
			"COMPAT_EVENTS=3",
			"COMPAT_ZKSERVER=" + k.cache.Source("servers", "zkServer.sh"),
			"PYTHONPATH=" + k.cache.Source("kazoo"),
			"PYTHONDONTWRITEBYTECODE=1",
			"PYTHONUNBUFFERED=1",
			// kazoo's harness wants a number; it decides which server configuration it asks for.
			"ZOOKEEPER_VERSION=3.9.4",
		}, env...),
	}.Run(ctx)
	writer.Close()
	return errors.Join(err, <-read)
}

// decode reads events until r ends.
func decode(r io.Reader, handle func(event)) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return nil // an unfinished line is from a process that was killed
		}
		if err != nil {
			return err
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("plug-in says %q: %w", line, err)
		}
		handle(e)
	}
}

// unpack writes the files of a source distribution to dir, without its top folder.
func unpack(archive, dir string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", archive, err)
	}
	for files := tar.NewReader(plain); ; {
		header, err := files.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("unpack %s: %w", archive, err)
		}
		_, name, _ := strings.Cut(header.Name, "/")
		if header.Typeflag != tar.TypeReg || !fs.ValidPath(name) {
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		text, err := io.ReadAll(files)
		if err != nil {
			return fmt.Errorf("unpack %s: %w", archive, err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
}
