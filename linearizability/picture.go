package linearizability

import (
	"fmt"
	"io"
	"math"

	"github.com/anishathalye/porcupine"
)

// Picture writes porcupine's own picture of the first component of a history that it refutes, as
// a page that needs nothing else. It says whether there is one.
func Picture(h *History, w io.Writer) (drawn bool, err error) {
	if len(h.Lines) == 0 {
		return false, nil
	}
	x := buildIndex(h, &Report{})
	p := &confirmer{index: x}
	p.refuted = func(model porcupine.Model, info porcupine.LinearizationInfo) {
		if drawn {
			return
		}
		drawn = true
		model.DescribeOperation = func(input, _ any) string { return input.(*operation).String() }
		model.DescribeState = func(state any) string {
			return fmt.Sprintf("state %x", state.(*pstate).hash)
		}
		err = porcupine.Visualize(model, info, w)
	}
	p.judge()
	return drawn, err
}

// String says an operation in one line.
func (o *operation) String() string {
	switch {
	case o.state != nil:
		return "the end of the window"
	case o.line == nil:
		return "?"
	case o.line.Request == nil:
		return o.line.Kind.String()
	}
	text := describe(o.line.Request)
	for i := range o.parts {
		if code := o.parts[i].code; code != CodeOk {
			text += fmt.Sprintf(" → error %d", code)
		}
	}
	if o.unknown {
		text += " → unknown"
	}
	return text
}

// unbounded is a budget that never ends.
const unbounded = math.MaxInt
