package load

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/vivariumdb/vivarium/wire"
)

// Result is what a run saw. Latencies are in microseconds and hold to one per cent.
type Result struct {
	Workload    Workload `json:"workload"`
	Connections int      `json:"connections"`
	Pipeline    int      `json:"pipeline,omitempty"` // 0 in an open loop
	Rate        float64  `json:"rate,omitempty"`     // asked for; 0 in a closed loop

	Operations int64   `json:"operations"`
	Seconds    float64 `json:"seconds"`
	PerSecond  float64 `json:"perSecond"`
	Errors     int64   `json:"errors"`
	FirstError string  `json:"firstError,omitempty"`

	P50Us  float64 `json:"p50Us"`
	P90Us  float64 `json:"p90Us"`
	P99Us  float64 `json:"p99Us"`
	P999Us float64 `json:"p999Us"`
	MaxUs  float64 `json:"maxUs"`
	// LateUs is the 99th percentile of how late an open loop sent what was due.
	LateUs float64 `json:"lateUs,omitempty"`

	// Server is what the processes of Options.Pids used; nil without any.
	Server *ServerUsage `json:"server,omitempty"`
	// ClientCPUUs is this program's own, per operation.
	ClientCPUUs float64 `json:"clientCpuUs"`
}

// ServerUsage is what the server's processes used while it was measured.
type ServerUsage struct {
	// CPUUs is microseconds of CPU per operation, of all processes and both modes.
	CPUUs float64 `json:"cpuUs"`
	// BeforeBytes was resident before the first connection, AfterBytes at the end.
	BeforeBytes int64 `json:"beforeBytes"`
	AfterBytes  int64 `json:"afterBytes"`
}

// Bounds of the histograms: a latency above the upper one counts as that.
const (
	leastNs = int64(time.Microsecond)
	mostNs  = int64(100 * time.Second)
)

// tally is what one goroutine counts.
type tally struct {
	operations int64
	errors     int64
	first      wire.ErrorCode // of the errors
	latencies  *hdrhistogram.Histogram
	late       *hdrhistogram.Histogram // of an open loop's sender
}

func newTally() tally {
	return tally{latencies: hdrhistogram.New(leastNs, mostNs, 2)}
}

// record counts one operation that took ns.
func (t *tally) record(ns int64) {
	t.operations++
	// It cannot fail: the value is within the bounds.
	_ = t.latencies.RecordValue(min(max(ns, leastNs), mostNs))
}

// count counts one answer, by its code.
func (t *tally) count(code wire.ErrorCode, ns int64) {
	if code == wire.CodeOk {
		t.record(ns)
		return
	}
	t.errors++
	if t.first == wire.CodeOk {
		t.first = code
	}
}

func (t *tally) merge(from *tally) {
	t.operations += from.operations
	t.errors += from.errors
	if t.first == wire.CodeOk {
		t.first = from.first
	}
	t.latencies.Merge(from.latencies)
	if from.late != nil {
		t.late = from.late
	}
}

// result translates what was counted in d.
func (t *tally) result(o *Options, d time.Duration) *Result {
	us := func(ns int64) float64 { return float64(ns) / 1e3 }
	r := &Result{Workload: o.Workload, Connections: o.Connections, Rate: o.Rate,
		Operations: t.operations, Seconds: d.Seconds(), Errors: t.errors,
		P50Us: us(t.latencies.ValueAtQuantile(50)), P90Us: us(t.latencies.ValueAtQuantile(90)),
		P99Us:  us(t.latencies.ValueAtQuantile(99)),
		P999Us: us(t.latencies.ValueAtQuantile(99.9))}
	if t.latencies.TotalCount() > 0 {
		r.MaxUs = us(t.latencies.Max())
	}
	if o.Rate == 0 && o.Workload.paced() {
		r.Pipeline = o.Pipeline
	}
	if d > 0 {
		r.PerSecond = float64(t.operations) / d.Seconds()
	}
	if t.first != wire.CodeOk {
		r.FirstError = t.first.String()
	}
	if t.late != nil {
		r.LateUs = us(t.late.ValueAtQuantile(99))
	}
	return r
}

// Table writes results for people, one a line.
func Table(w io.Writer, results []*Result) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "workload\tload\tops/s\tp50 us\tp90\tp99\tp99.9\tmax\terrors\t"+
		"CPU us/op\tresident MB\town CPU\t")
	for _, r := range results {
		cpu, resident := "-", "-"
		if s := r.Server; s != nil {
			cpu = fmt.Sprintf("%.2f", s.CPUUs)
			resident = fmt.Sprintf("%.0f", float64(s.AfterBytes)/1e6)
		}
		fmt.Fprintf(out, "%s\t%s\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%d\t%s\t%s\t%.2f\t\n",
			r.Workload, r.Load(), r.PerSecond, r.P50Us, r.P90Us, r.P99Us, r.P999Us, r.MaxUs,
			r.Errors, cpu, resident, r.ClientCPUUs)
	}
	return out.Flush()
}

// Load is how the service was loaded, as 16x16 or 16 at 5000/s.
func (r *Result) Load() string {
	switch {
	case r.Rate > 0:
		return fmt.Sprintf("%d at %.0f/s", r.Connections, r.Rate)
	case r.Pipeline > 0:
		return fmt.Sprintf("%dx%d", r.Connections, r.Pipeline)
	}
	return fmt.Sprint(r.Connections)
}
