package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/sim"
	"github.com/vivariumdb/vivarium/wire"
)

// The page about a world: one file that needs nothing else.
var (
	//go:embed page/page.html
	pageText string
	//go:embed page/page.css
	pageStyle string
	//go:embed page/page.js
	pageScript string

	pageTemplate = template.Must(template.New("page").Parse(pageText))
)

// page is what the page is given.
type page struct {
	End        int64          `json:"end"`
	Film       *sim.Film      `json:"film"`
	Violations []objection    `json:"violations"`
	Story      *story         `json:"story,omitempty"` // of the first violation
	Decisions  []sim.Decision `json:"decisions"`
	Settings   []string       `json:"settings"` // knobs, gaps and the end, as people read them
	Size       int            `json:"size"`
	Calls      []pageCall     `json:"calls"`
	Rows       map[int]int    `json:"rows"` // of calls that overlap, by lane
	History    []pageLine     `json:"history"`
	// Lines are those lines of the history, as they stand there, that are shown when asked for.
	Lines map[int]string `json:"lines"`
}

// objection is a violation. The lines of the world's own ones say only when they were seen.
type objection struct {
	finding
	At  int64 `json:"at"`
	Own bool  `json:"own"`
}

// pageCall is a request from its call to its answer.
type pageCall struct {
	Lane  int    `json:"lane"`
	Row   int    `json:"row"`
	From  int64  `json:"from"`
	To    int64  `json:"to"`   // -1: it was never answered
	Kind  string `json:"kind"` // ok, error, open
	What  string `json:"what"`
	Lines []int  `json:"lines"`
}

// pageLine is a line of the history.
type pageLine struct {
	No   int    `json:"no"`
	At   int64  `json:"at"`
	Lane int    `json:"lane"` // -1: nobody's
	Kind string `json:"kind"`
	What string `json:"what"`
	Zxid string `json:"zxid,omitempty"`
}

// maxLineBytes bounds the text of the history in a page: beyond it only lines that violations
// name are there.
const maxLineBytes = 8 << 20

// writePage writes the page about a world that was filmed.
func writePage(w io.Writer, r *sim.Result, plan *sim.Plan, figures, command string) error {
	p := newPage(r, plan)
	data, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	title := fmt.Sprintf("seed %d", r.Seed)
	if plan.Mutant != "" {
		title += ", mutant " + plan.Mutant
	}
	if len(r.Violations) > 0 {
		title += ": " + r.Violations[0].Judge + " objects"
	}
	err = pageTemplate.Execute(w, map[string]any{"Title": title, "Figures": figures,
		"Command": command, "Style": template.CSS(pageStyle), "Script": template.JS(pageScript),
		"Data": template.JS(data)}) // which Marshal has made safe within a script
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

func newPage(r *sim.Result, plan *sim.Plan) *page {
	p := &page{End: r.Virtual, Film: r.Film, Decisions: r.Decisions, Size: plan.Size(),
		Rows: map[int]int{}, Lines: map[int]string{}}
	if plan.Keep == nil {
		p.Size = len(r.Decisions)
	}
	for i, v := range r.Violations {
		o := objection{finding: findingOf(v)}
		o.At, o.Own = r.FailedAt(i)
		p.Violations = append(p.Violations, o)
	}
	if r.Failed() {
		p.Story = tellStory(r, 0)
	}
	for _, k := range plan.Knobs {
		p.Settings = append(p.Settings, "knob "+k)
	}
	for _, g := range plan.Gaps {
		p.Settings = append(p.Settings, fmt.Sprintf("left out: %.3f s of idle time",
			float64(g.To-g.From)/1e6))
	}
	if plan.EndUs > 0 {
		p.Settings = append(p.Settings, fmt.Sprintf("end at %.6f s", float64(plan.EndUs)/1e6))
	}
	p.lines(r)
	p.calls(r)
	return p
}

// lines takes in the history.
func (p *page) lines(r *sim.Result) {
	named := map[int]bool{}
	for _, v := range r.Violations {
		for _, no := range v.Lines {
			named[no] = true
		}
	}
	bytes := 0
	for i := range r.History.Lines {
		l := &r.History.Lines[i]
		line := pageLine{No: l.No, At: l.At, Lane: p.lane(l), Kind: l.Kind.String(),
			What: sayLine(l)}
		if l.Zxid != 0 {
			line.Zxid = fmt.Sprintf("%#x", l.Zxid)
		}
		p.History = append(p.History, line)
		if bytes < maxLineBytes || named[l.No] {
			text := string(l.AppendTo(nil))
			bytes += len(text)
			p.Lines[l.No] = text
		}
	}
}

// lane is where a line of the history belongs.
func (p *page) lane(l *linearizability.Line) int {
	want := sim.Lane{Kind: "member", No: l.Server}
	if l.Client != 0 {
		want = sim.Lane{Kind: "client", No: l.Client}
	}
	for i, lane := range p.Film.Lanes {
		if lane.Kind == want.Kind && lane.No == want.No {
			return i
		}
	}
	return -1
}

// calls pairs requests with their answers, and gives those that overlap rows of their own.
func (p *page) calls(r *sim.Result) {
	type key struct {
		conn int64
		xid  int32
	}
	waiting := map[key][]int{}
	ends := map[int64][]int{} // calls by connection
	for i := range r.History.Lines {
		l := &r.History.Lines[i]
		k := key{l.Conn, l.Xid}
		switch l.Kind {
		case linearizability.KindCall:
			c := pageCall{Lane: p.lane(l), From: l.At, To: -1, Kind: "open",
				What: linearizability.Describe(l.Request), Lines: []int{l.No}}
			waiting[k] = append(waiting[k], len(p.Calls))
			ends[l.Conn] = append(ends[l.Conn], len(p.Calls))
			p.Calls = append(p.Calls, c)
		case linearizability.KindReturn:
			if list := waiting[k]; len(list) > 0 {
				c := &p.Calls[list[0]]
				waiting[k] = list[1:]
				c.To, c.Kind = l.At, "ok"
				c.Lines = append(c.Lines, l.No)
				c.What += " → " + wire.ErrorCode(l.Result.Err).String()
				if l.Result.Err != linearizability.CodeOk {
					c.Kind = "error"
				}
				if l.Zxid > 0 {
					c.What += fmt.Sprintf(", zxid %#x", l.Zxid)
				}
			}
		case linearizability.KindDisconnect:
			for _, at := range ends[l.Conn] {
				if p.Calls[at].To < 0 {
					p.Calls[at].To = l.At
					p.Calls[at].What += " (never answered)"
				}
			}
			delete(ends, l.Conn)
		}
	}
	p.stack()
}

// stack gives each call the first row that is free.
func (p *page) stack() {
	free := map[int][]int64{} // by lane, when each row is free
	for i := range p.Calls {
		c := &p.Calls[i]
		rows := free[c.Lane]
		to := c.To
		if to < 0 {
			to = p.End
		}
		at := 0
		for at < len(rows) && rows[at] > c.From {
			at++
		}
		if at == len(rows) {
			rows = append(rows, 0)
		}
		rows[at] = to + 1
		free[c.Lane], c.Row = rows, at
		p.Rows[c.Lane] = len(rows)
	}
}

// sayLine says a line of a history for people.
func sayLine(l *linearizability.Line) string {
	text := l.Kind.String()
	if l.Commit != nil {
		text += fmt.Sprintf(" %d.%d term %d: %v", l.Commit.Index, l.Commit.Pos, l.Commit.Term,
			l.Commit.Kind)
		if l.Commit.Skipped {
			text += ", skipped"
		}
	}
	if l.Request != nil {
		text += " " + linearizability.Describe(l.Request)
	}
	if l.Event != 0 {
		text += " " + l.Event.String()
	}
	if l.Path != "" {
		text += " " + l.Path
	}
	if l.Result != nil {
		text += " → " + wire.ErrorCode(l.Result.Err).String()
	}
	if l.Zxid > 0 {
		text += fmt.Sprintf(", zxid %#x", l.Zxid)
	}
	if l.Session != 0 {
		text += fmt.Sprintf(", session %#x", uint64(l.Session))
	}
	if l.Kind == linearizability.KindLeader || l.Kind == linearizability.KindDigest {
		text += fmt.Sprintf(" %d", l.Index)
	}
	if l.Text != "" {
		text += ", " + l.Text
	}
	return text
}
