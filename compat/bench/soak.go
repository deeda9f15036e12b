package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// The load of a soak: one part all the time, the others in turn, with sessions, znodes and
// watches that come and go. What each makes it removes.
var (
	steady = []string{"mixed", "-c", "100", "-p", "4", "-r", "2000"}
	shifts = []struct {
		lasts time.Duration
		args  []string
	}{
		{10 * time.Second, []string{"create", "-r", "500"}},
		{5 * time.Second, []string{"connects", "-c", "4"}},
		{5 * time.Second, []string{"watches", "-c", "200"}},
		{10 * time.Second, []string{"multi", "-r", "200"}},
		{5 * time.Second, []string{"lists", "-p", "1", "-r", "50", "-n", "1000"}},
		{10 * time.Second, []string{"idle", "-c", "1000"}},
	}
)

// soaking is what is seen of a soak. What a run holds moves up and down with the collector; the
// line through all samples is what counts.
type soaking struct {
	began   time.Time
	commit  string
	minutes []float64 // of the samples
	mb      []float64
	calls   float64
}

// settle is how long a server may take to reach its size.
const settle = 10 * time.Minute

// soakRun keeps a server under load for f.soak and writes how its memory and its goroutines went.
func (b *bench) soakRun(ctx context.Context) error {
	s, err := b.start(ctx, vivarium, true)
	if err != nil {
		return err
	}
	defer s.stop()
	for _, w := range []string{"read", "connects"} { // what is made at the first use is made
		if _, err := b.put(ctx, s, time.Second, w); err != nil {
			return err
		}
	}
	before, err := s.goroutines(ctx)
	if err != nil {
		return err
	}
	run := &soaking{began: time.Now(), commit: b.commit(ctx)}
	if err := b.load(ctx, s, run); err != nil {
		return err
	}
	after, err := s.goroutinesAt(ctx, before)
	if err != nil {
		return err
	}
	text := b.soakText(run, before, after)
	return b.publish("ENDURANCE.md", text)
}

// load puts the load on until the time is over, and takes samples.
func (b *bench) load(ctx context.Context, s *server, run *soaking) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var parts sync.WaitGroup
	left := func() time.Duration { return b.soak - time.Since(run.began) }
	var calls [2]float64
	part := func(n int, d time.Duration, args ...string) bool {
		d = min(d, left())
		if d < 2*time.Second || ctx.Err() != nil {
			return false
		}
		r, err := b.put(ctx, s, d, args...)
		if err != nil {
			stop(fmt.Errorf("%s: %w", args[0], err))
			return false
		}
		calls[n] += r.PerSecond * d.Seconds()
		return true
	}
	parts.Go(func() {
		for part(0, time.Minute, steady...) {
			continue
		}
	})
	parts.Go(func() {
		for n := 0; ; n++ {
			if w := shifts[n%len(shifts)]; !part(1, w.lasts, w.args...) {
				return
			}
		}
	})
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for said := time.Now(); left() > 0 && ctx.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-every.C:
		}
		at := time.Since(run.began).Minutes()
		run.minutes, run.mb = append(run.minutes, at), append(run.mb, s.status("VmRSS"))
		if time.Since(said) > time.Minute {
			said = time.Now()
			fmt.Fprintf(os.Stderr, "%5.1f min  %.0f MB\n", at, run.mb[len(run.mb)-1])
		}
	}
	parts.Wait()
	run.calls = calls[0] + calls[1]
	return context.Cause(ctx)
}

// slope is how memory grows in per cent per ten minutes, by the line of least squares through
// the samples behind settle, with its standard error.
func (run *soaking) slope() (percent, margin float64) {
	var n, x, y, xx, xy, yy float64
	for i, minute := range run.minutes {
		if minute < settle.Minutes() {
			continue
		}
		n, x, y = n+1, x+minute, y+run.mb[i]
		xx, xy, yy = xx+minute*minute, xy+minute*run.mb[i], yy+run.mb[i]*run.mb[i]
	}
	if n < 3 {
		return math.NaN(), math.NaN()
	}
	sxx, sxy, syy := xx-x*x/n, xy-x*y/n, yy-y*y/n
	b := sxy / sxx
	rest := max(0, syy-b*sxy)
	scale := 10 * 100 / (y / n)
	return b * scale, math.Sqrt(rest/(n-2)/sxx) * scale
}

func (b *bench) soakText(run *soaking, before, after int) string {
	percent, margin := run.slope()
	var t strings.Builder
	fmt.Fprintf(&t, "# Endurance\n\nWritten by `%s`; do not edit.\n\n", b.command())
	fmt.Fprintf(&t, "- %s\n- one server of %s; load all the time: `%s`; in turn:",
		run.began.UTC().Format("2006-01-02 15:04 UTC"), run.commit, strings.Join(steady, " "))
	for i, w := range shifts {
		fmt.Fprintf(&t, "%s `%s` %s", strings.Repeat(",", min(i, 1)), strings.Join(w.args, " "),
			w.lasts)
	}
	fmt.Fprintf(&t, "\n- %.0f operations, none failed\n", run.calls)
	fmt.Fprintf(&t, "- goroutines: %d before, %d after the load\n", before, after)
	fmt.Fprintf(&t, "- resident memory behind the first %.0f minutes: %+.2f %% per ten minutes "+
		"(standard error %.2f)\n\n", settle.Minutes(), percent, margin)
	t.WriteString("| minutes | resident MB, least | mean | most |\n|---|---|---|---|\n")
	const step = 5.0
	for from := 0.0; from < b.soak.Minutes(); from += step {
		least, most, sum, n := math.Inf(1), 0.0, 0.0, 0.0
		for i, minute := range run.minutes {
			if minute >= from && minute < from+step {
				least, most = min(least, run.mb[i]), max(most, run.mb[i])
				sum, n = sum+run.mb[i], n+1
			}
		}
		if n > 0 {
			fmt.Fprintf(&t, "| %.0f to %.0f | %.0f | %.0f | %.0f |\n", from, from+step, least,
				sum/n, most)
		}
	}
	return t.String()
}

// goroutinesAt waits until the server has about as many goroutines as before, for a minute at
// most: what ends needs a moment.
func (s *server) goroutinesAt(ctx context.Context, before int) (int, error) {
	const near = 5
	for deadline := time.Now().Add(time.Minute); ; {
		n, err := s.goroutines(ctx)
		if err != nil || n <= before+near || time.Now().After(deadline) {
			return n, err
		}
		select {
		case <-ctx.Done():
			return n, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// goroutines asks the server how many it has.
func (s *server) goroutines(ctx context.Context) (n int, err error) {
	text, err := s.ask(ctx, "goroutine?debug=1")
	if err != nil {
		return 0, err
	}
	if _, err := fmt.Sscanf(text, "goroutine profile: total %d", &n); err != nil {
		return 0, fmt.Errorf("no count in the profile of goroutines: %w", err)
	}
	return n, nil
}

// ask returns one of the runtime's profiles of the server as text.
func (s *server) ask(ctx context.Context, profile string) (string, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet,
		"http://"+s.profile+"/debug/pprof/"+profile, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}
