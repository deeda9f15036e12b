package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// profiled are the loads whose CPU profile is printed.
var profiled = []string{"read 16x16", "read 128x1", "write 16x16", "write 128x1"}

// profiles appends what Vivarium spends its CPU on under some loads: the functions by their own
// time, and the parts of the server by what they call.
func (b *bench) profiles(ctx context.Context, t *strings.Builder) error {
	var s *server
	for _, other := range b.servers {
		if other.name == vivarium {
			s = other
		}
	}
	t.WriteString("\n## Where Vivarium's CPU goes\n\nShares by `go tool pprof`: functions by " +
		"their own time, then parts of the server with all they call.\n")
	for _, l := range loads {
		for _, name := range profiled {
			if l.name != name || !b.only.MatchString(name) {
				continue
			}
			if err := b.profile(ctx, t, s, l); err != nil {
				return fmt.Errorf("profile of %s: %w", name, err)
			}
		}
	}
	return nil
}

func (b *bench) profile(ctx context.Context, t *strings.Builder, s *server, l loading) error {
	const seconds = 4
	loaded := make(chan error, 1)
	go func() {
		_, err := b.put(ctx, s, (seconds+3)*time.Second, l.args...)
		loaded <- err
	}()
	file := filepath.Join(b.cache, "cpu.pprof")
	select {
	case <-time.After(2 * time.Second): // the znodes are there, and it is warm
	case err := <-loaded:
		return fmt.Errorf("the load ended early: %v", err)
	}
	err := download(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.profile, seconds),
		file)
	if loadErr := <-loaded; err == nil {
		err = loadErr
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(t, "\n### %s\n\n```\n", l.name)
	for _, args := range [][]string{
		{"-nodecount=10"},
		{"-cum", "-nodecount=400", "-show=server\\.|store\\.\\(\\*Store\\)|pebble\\.\\(\\*DB\\)|" +
			"core\\.\\(\\*State\\)\\.Next|core\\.\\(\\*reader\\)|gcBgMarkWorker$"},
	} {
		args = append(append([]string{"tool", "pprof", "-top"}, args...), b.bin("vivarium"), file)
		out, err := b.output(ctx, "go", args...)
		if err != nil {
			return err
		}
		t.WriteString(shares(out, 12))
	}
	t.WriteString("```\n")
	return nil
}

// shares takes the percentages and names out of what pprof prints.
func shares(text string, most int) string {
	var b strings.Builder
	_, rest, _ := strings.Cut(text, "cum%\n")
	for line := range strings.Lines(rest) {
		f := strings.Fields(line)
		if len(f) < 6 || most == 0 {
			continue
		}
		name := strings.TrimPrefix(f[5], "github.com/vivariumdb/vivarium/")
		fmt.Fprintf(&b, "%7s self %7s in all  %s\n", f[1], f[4], name)
		most--
	}
	return b.String() + "\n"
}

func download(ctx context.Context, url, file string) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, r.Status)
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}
