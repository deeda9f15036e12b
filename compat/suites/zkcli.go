package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/vivariumdb/vivarium/compat/zkcli"
)

const zkcliName = "zkcli"

// zkcliAtOnce is how many scripts run at the same time; a script spends half of its time waiting
// for Java to start.
const zkcliAtOnce = 2

// zkcliSuite is ZooKeeper's own command line. Its tests are the scripts of compat/zkcli/testdata,
// which hold what the real server made it print.
type zkcliSuite struct {
	cache  Cache
	record bool
	jars   jars
}

// Name implements suite.
func (z *zkcliSuite) Name() string { return zkcliName }

// Version implements suite: that of the command line.
func (z *zkcliSuite) Version() string { return z.jars.Version }

// Prepare implements suite.
func (z *zkcliSuite) Prepare(ctx context.Context) error {
	var err error
	z.jars, err = fetchJars(ctx, z.cache)
	return err
}

// Collect implements suite: a test is a script.
func (z *zkcliSuite) Collect(context.Context) ([]string, error) {
	paths, err := filepath.Glob(z.script("*"))
	var ids []string
	for _, path := range paths {
		ids = append(ids, strings.TrimSuffix(filepath.Base(path), ".zkcli"))
	}
	return ids, err
}

// script returns the path of a script.
func (z *zkcliSuite) script(id string) string {
	return z.cache.Source("zkcli", "testdata", id+".zkcli")
}

// Run implements suite.
func (z *zkcliSuite) Run(ctx context.Context, job Job) error {
	ids := make(chan string)
	var workers sync.WaitGroup
	for range zkcliAtOnce {
		workers.Go(func() {
			for id := range ids {
				job.Monitor.Started(id)
				result := Result{ID: id, Outcome: passed}
				start := time.Now()
				if err := z.play(ctx, job, id); err != nil {
					result.Outcome, result.Text = failed, err.Error()
				}
				result.Seconds = time.Since(start).Seconds()
				job.Monitor.Done(result)
			}
		})
	}
	for _, id := range job.IDs {
		ids <- id
	}
	close(ids)
	workers.Wait()
	return context.Cause(ctx)
}

// play plays a script and returns how what was printed differs from what it holds. A script that
// is recorded gets what was printed instead.
func (z *zkcliSuite) play(ctx context.Context, job Job, id string) error {
	text, err := os.ReadFile(z.script(id))
	if err != nil {
		return err
	}
	script, err := zkcli.Parse(id+".zkcli", string(text))
	if err != nil {
		return err
	}
	setup := zkcli.Setup{
		Java:      z.jars.Java,
		Classpath: z.jars.Classpath,
		Server:    []string{z.cache.Source("servers", "zkServer.sh"), "start-foreground"},
		ServerEnv: append([]string{"COMPAT_LOGS=" + job.Logs}, job.Server.Env...),
		Env:       inherited(os.Environ()),
		Folder:    filepath.Join(job.Folder, id),
	}
	if err := os.MkdirAll(setup.Folder, 0o755); err != nil {
		return err
	}
	got, err := script.Play(ctx, setup)
	now := script.Format(got)
	output := filepath.Join(job.Folder, id+".zkcli")
	if err := errors.Join(err, os.WriteFile(output, []byte(now), 0o644)); err != nil {
		return err
	}
	if z.record && job.Server.Name == zooKeeper {
		return os.WriteFile(z.script(id), []byte(now), 0o644)
	}
	if diff := script.Diff(got); diff != "" {
		return errors.New(diff)
	}
	return nil
}
