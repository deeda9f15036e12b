package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image/color"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/sim"
)

var chromium = flag.String("chromium", "", "the browser for the page about failures; "+
	"without it chromium or google-chrome of the PATH")

// needBrowser finds a Chromium.
func needBrowser(t *testing.T) browser {
	t.Helper()
	b, err := findBrowser(*chromium)
	if errors.Is(err, errNoBrowser) {
		t.Skip("NO BROWSER: THE PAGE ABOUT FAILURES IS NOT TESTED; apt-get install chromium")
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// browse opens a page with a script behind it, and returns what the script has left in the
// element "outcome".
func browse(t *testing.T, page []byte, script string) outcome {
	t.Helper()
	name := filepath.Join(t.TempDir(), "index.html")
	driver := fmt.Sprintf(`<pre id="outcome"></pre><script>
window.addEventListener("load", () => {
  const out = {};
  try { %s } catch (e) { out.error = String(e.stack || e); }
  document.getElementById("outcome").textContent = JSON.stringify(out);
});
</script></body>`, script)
	page = bytes.Replace(page, []byte("</body>"), []byte(driver), 1)
	if err := os.WriteFile(name, page, 0o644); err != nil {
		t.Fatal(err)
	}
	dom, err := needBrowser(t).open(t.Context(), name, "--window-size=1500,850", "--dump-dom")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(dom), `<pre id="outcome">`)
	text, _, _ := strings.Cut(rest, "</pre>")
	text = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
	out := outcome{}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("the page left %.2000q: %v", text, err)
	}
	if out["error"] != nil {
		t.Fatalf("script: %v", out["error"])
	}
	return out
}

// outcome is what a script has left.
type outcome map[string]any

func (o outcome) num(name string) float64 { n, _ := o[name].(float64); return n }
func (o outcome) str(name string) string  { s, _ := o[name].(string); return s }

// check returns what fails a test, with all that the script has left, if something is not so.
func (o outcome) check(t *testing.T) func(what string, ok bool) {
	return func(what string, ok bool) {
		t.Helper()
		if !ok {
			t.Errorf("%s: the page says %v", what, map[string]any(o))
		}
	}
}

// filmed runs a world, with a violation that names a call and its answer.
func filmed(t *testing.T, plan *sim.Plan) (*sim.Result, []byte) {
	t.Helper()
	r := sim.Run(sim.Options{Seed: plan.Seed, Plan: plan, Record: true, Film: true})
	var call *linearizability.Line
	for i := range r.History.Lines {
		l := &r.History.Lines[i]
		if l.Kind == linearizability.KindCall && call == nil &&
			l.Request.Op == linearizability.OpGetData {
			call = l
		}
		if call != nil && l.Kind == linearizability.KindReturn && l.Conn == call.Conn &&
			l.Xid == call.Xid {
			r.Violations = append(r.Violations, linearizability.Violation{Judge: "reads",
				Text:  fmt.Sprintf("getData <b>of</b> zxid %#x is wrong", l.Zxid),
				Lines: []int{l.No, call.No}})
			break
		}
	}
	if call == nil || len(r.Violations) == 0 {
		t.Fatalf("seed %d: no call is there to be named", plan.Seed)
	}
	var b bytes.Buffer
	if err := writePage(&b, r, plan, "these are figures", "this is the command"); err != nil {
		t.Fatal(err)
	}
	return r, b.Bytes()
}

func TestPageStandsAlone(t *testing.T) {
	_, page := filmed(t, &sim.Plan{Seed: 3, EndUs: 5_000_000})
	for _, bad := range []string{"<script src", "<link", "url(", "@import", "fetch(", "<b>of",
		"XMLHttpRequest", "http://", "https://"} {
		if bytes.Contains(page, []byte(bad)) {
			t.Errorf("the page contains %q", bad)
		}
	}
	if n := bytes.Count(page, []byte("</script>")); n != 2 {
		t.Errorf("the page has %d scripts, want its data and its own", n)
	}
}

// hands are what the driven scripts below use: clicks with the mouse where something is drawn.
const hands = `
const v = window.vivarium, canvas = document.getElementById("lanes");
const click = (x, y) => {
  const r = canvas.getBoundingClientRect();
  for (const type of ["mousedown", "mouseup", "click"]) {
    const at = { bubbles: true, clientX: r.left + x, clientY: r.top + y };
    canvas.dispatchEvent(new MouseEvent(type, at));
  }
};
const press = (key) => window.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const ink = () => { // how many pixels are not white
  v.draw();
  const d = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let n = 0;
  for (let i = 0; i < d.length; i += 4) if (d[i] + d[i + 1] + d[i + 2] < 700) n++;
  return n;
};
`

// usage is what somebody does who looks for line CALL of the history.
const usage = `
out.title = document.title;
out.figures = document.getElementById("figures").textContent;
out.violations = document.querySelectorAll("#violations li").length;
out.ink = ink();
// The link of a line leads to its call, which is in view and selected.
const links = [...document.querySelectorAll("#violations a")];
links.find((a) => a.textContent === "CALL").click();
v.draw();
const call = v.selected();
out.call = call.type + " " + call.what;
out.callInView = v.view.from <= call.from && call.from <= v.view.to;
out.zoomed = v.view.to - v.view.from < v.world.end;
out.marked = v.offending.has(call);
out.table = document.querySelectorAll("#members tr").length;
out.columns = document.querySelectorAll("#members tr:first-child th").length - 1;
out.moment = document.getElementById("moment").textContent;
out.text = document.getElementById("selected").textContent;
// The link of the zxid leads to its commit.
const zxid = links.find((a) => a.textContent.startsWith("0x"));
out.zxid = zxid ? (zxid.click(), v.selected().what) : "";
// A click on something that is drawn selects it.
press("0");
v.draw();
const bar = v.items.find((i) => i.type === "disk");
v.goToLine(CALL);
const [left, top, w, h] = v.box(call);
v.select(null);
click(left + w / 2, top + h / 2);
out.clicked = v.selected() && v.selected().what;
// State at a click in an empty place.
press("0");
v.draw();
const lane = v.lanes.findIndex((l) => l.kind === "member");
click(v.x(v.world.end / 2), v.lanes[lane].top + 33);
out.stateAt = v.moment() / v.world.end;
out.term = v.stateAt(lane, v.moment()).Term;
// Zoom by wheel and keys, pan by keys.
const span = v.view.to - v.view.from;
const turn = { deltaY: -100, clientX: 600, clientY: 200, cancelable: true };
canvas.dispatchEvent(new WheelEvent("wheel", turn));
out.wheel = (v.view.to - v.view.from) / span;
press("-");
const before = v.view.from;
press("ArrowRight");
out.panned = v.view.from > before;
// Search.
const box = document.getElementById("search");
box.value = "getdata";
box.dispatchEvent(new Event("input"));
out.found = v.matches().length;
box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
out.match = v.selected().what;
press("v");
out.failure = v.offending.has(v.selected());
// Heartbeats are drawn if asked for.
press("0");
const without = ink();
document.getElementById("show-beat").click();
out.beats = ink() > without;
out.members = v.lanes.filter((l) => l.kind === "member").length;
out.decisions = document.querySelectorAll("#decisions li").length;
`

func TestPageInBrowser(t *testing.T) {
	r, page := filmed(t, &sim.Plan{Seed: 3, EndUs: 9_000_000})
	named := r.Violations[0].Lines
	got := browse(t, page, hands+strings.ReplaceAll(usage, "CALL", strconv.Itoa(named[1])))
	check, num, str := got.check(t), got.num, got.str
	check("title", strings.Contains(str("title"), "seed 3: reads objects"))
	check("figures", str("figures") == "these are figures")
	check("violations", num("violations") == float64(len(r.Violations)))
	check("something is drawn", num("ink") > 5000)
	check("the call is gone to", strings.HasPrefix(str("call"), "call getData") &&
		got["callInView"] == true && got["zoomed"] == true && got["marked"] == true)
	check("the line is shown", strings.Contains(str("text"), `"kind":"call"`))
	members := float64(r.Knobs.Hosts)
	check("the state of each member", num("table") > 15 && num("columns") == members &&
		num("members") == members && num("term") > 0)
	check("the zxid leads somewhere", str("zxid") != "")
	check("the call is selected by a click", strings.HasPrefix(str("clicked"), "getData"))
	check("the moment of a click", num("stateAt") > 0.45 && num("stateAt") < 0.55)
	check("wheel", num("wheel") < 0.9)
	check("pan", got["panned"] == true)
	check("search", num("found") > 3 && strings.Contains(strings.ToLower(str("match")), "getdata"))
	check("failure", got["failure"] == true)
	check("heartbeats", got["beats"] == true)
	check("decisions", num("decisions") > 3)
}

// opened is what somebody sees who opens the page and goes through what led to the violation.
const opened = `
v.draw();
const own = v.world.violations[0].own;
out.verdict = document.getElementById("verdict").textContent;
out.promise = document.getElementById("promise").textContent;
out.from = v.view.from; out.to = v.view.to; out.at = v.world.story.at;
out.selected = v.selected() ? v.selected().what : "";
out.rows = document.querySelectorAll("#scenes li").length;
const named = [...document.querySelectorAll("#scenes li.named .what")];
out.named = named.map((e) => e.textContent).join(" | ");
out.offending = v.offending.size;
out.own = own;
// The moment of the violation is drawn, and the numbers of what led there.
const pixel = (x, y) => [...canvas.getContext("2d").getImageData(x * devicePixelRatio,
  y * devicePixelRatio, 1, 1).data];
const red = (p) => p[0] > 150 && p[1] < 120 && p[2] < 120;
const low = v.lanes[0].top + v.lanes[0].h - 3;
out.line = [-1, 0, 1].some((d) => red(pixel(v.x(v.world.story.at) + d, low)));
// Keys lead from the first of them to the last.
press("j");
const first = v.scenes[0];
out.first = v.moment() === first.at && first.li.classList.contains("now");
press("j"); press("k");
out.back = v.moment() === first.at;
const some = v.scenes.findLast((c) => c.item);
some.li.click();
out.clicked = v.selected() === some.item && v.view.from <= some.at && some.at <= v.view.to;
press("s");
out.again = Math.abs(v.view.from - out.from) < 1 && Math.abs(v.view.to - out.to) < 1;
// The list can be put away.
const height = document.getElementById("scroll").clientHeight;
press("t");
out.away = document.getElementById("scroll").clientHeight > height;
press("t");
// Escape leaves the search, and empties it; a line is found by its number.
const box = document.getElementById("search");
box.value = "line 17";
box.dispatchEvent(new Event("input"));
out.byLine = v.matches().length > 0 && v.matches().every((m) => m.lines.includes(17));
out.matching = !document.getElementById("matching").hidden;
box.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
out.escaped = box.value === "" && v.matches().length === 0 &&
  document.getElementById("matching").hidden;
// What changes in a moment stands out, and zxids are shown to the last bit.
const change = v.world.film.states.find((s, i) => s.Commit > 2 && s.zxid !== "0");
v.select(null, change.at);
out.fresh = document.querySelectorAll("#members td.new").length;
const fields = [...document.querySelectorAll("#members tr")];
out.zxid = fields.find((tr) => tr.firstChild.textContent === "zxid").textContent;
out.exact = "0x" + BigInt(change.zxid).toString(16);
`

// TestPageOpensAtStory: the page opens where it fails, with what led there.
func TestPageOpensAtStory(t *testing.T) {
	_, page := filmed(t, &sim.Plan{Seed: 3, EndUs: 9_000_000})
	got := browse(t, page, hands+opened)
	check, num, str := got.check(t), got.num, got.str
	check("verdict", strings.HasPrefix(str("verdict"), "reads: getData <b>of</b>"))
	check("promise", strings.Contains(str("promise"), "reads wants that"))
	check("view", num("from") < num("at") && num("at") < num("to") &&
		num("to")-num("from") < 0.7*float64(9_000_000))
	check("the named call is selected", strings.HasPrefix(str("selected"), "getData"))
	check("scenes", num("rows") >= 4 && num("rows") <= maxScenes)
	check("named scenes", strings.Contains(str("named"), "asks getData") &&
		strings.Contains(str("named"), "is answered getData"))
	for _, what := range []string{"line", "first", "back", "clicked", "again", "away", "byLine",
		"matching", "escaped"} {
		check(what, got[what] == true)
	}
	check("fresh", num("fresh") > 0)
}

// TestPageOfMany: the times stay in sight above lanes that are scrolled, the clients of the story
// stand before others, and of many violations the first few are shown until more are asked for.
func TestPageOfMany(t *testing.T) {
	r, _ := filmed(t, &sim.Plan{Seed: 3, EndUs: 9_000_000})
	for i := range 30 {
		v := r.Violations[0]
		v.Text = fmt.Sprintf("%d: %s", i, v.Text)
		r.Violations = append(r.Violations, v)
	}
	var b bytes.Buffer
	if err := writePage(&b, r, &sim.Plan{Seed: 3}, "", ""); err != nil {
		t.Fatal(err)
	}
	got := browse(t, b.Bytes(), hands+`
const violations = document.getElementById("violations").children;
const shown = () => [...violations].filter((l) => !l.hidden).length;
out.few = shown();
document.getElementById("more-violations").click();
out.all = shown();
const clients = v.lanes.filter((l) => l.kind === "client").sort((a, b) => a.top - b.top);
const told = clients.map((l) => v.scenes.some((c) => c.lane === l.name));
out.order = told.lastIndexOf(true) < told.indexOf(false);
const scroll = document.getElementById("scroll");
document.getElementById("left").style.height = "200px";
scroll.style.flex = "none"; scroll.style.height = "120px";
scroll.scrollTop = 150;
v.draw();
const row = canvas.getContext("2d").getImageData(0, scroll.scrollTop * devicePixelRatio,
  canvas.width, 16 * devicePixelRatio).data;
let grey = 0, other = 0;
for (let i = 0; i < row.length; i += 4) {
  const d = Math.max(row[i], row[i + 1], row[i + 2]) - Math.min(row[i], row[i + 1], row[i + 2]);
  if (d > 40) other++;
  else if (row[i] < 200) grey++;
}
out.top = scroll.scrollTop; out.grey = grey; out.other = other;
`)
	check, num := got.check(t), got.num
	check("the first few violations", num("few") == 3)
	check("all violations", num("all") == float64(len(r.Violations)))
	check("the story's clients first", got["order"] == true)
	check("the axis", num("top") == 150 && num("grey") >= 30 && num("other") <= num("grey"))
}

// TestPageOfOwnViolation: what a world objects to itself has a moment, and names no line.
func TestPageOfOwnViolation(t *testing.T) {
	r := sim.Run(sim.Options{Seed: 3, Record: true, Film: true, Plan: &sim.Plan{Seed: 3,
		PatienceUs: 1, Knobs: []string{"DurationMs=1000", "FoundingTerm=1073741800"}}})
	if !r.Failed() || r.Violations[0].Judge != "liveness" {
		t.Fatalf("with no patience: %v, want an objection of liveness", r.Violations)
	}
	var b bytes.Buffer
	if err := writePage(&b, r, &sim.Plan{Seed: 3}, "", ""); err != nil {
		t.Fatal(err)
	}
	got := browse(t, b.Bytes(), hands+opened)
	check := got.check(t)
	check("the violation is the world's own", got["own"] == true)
	check("nothing is marked", got["offending"] == 0.0)
	check("the moment is", got["line"] == true)
	check("zxids of high terms", strings.Contains(got.str("zxid"), got.str("exact")) &&
		strings.HasPrefix(got.str("exact"), "0x3fffff"))
}

// TestPageOfManyEvents opens the page about a whole world, which has far more than 10,000 events,
// and tells how long it takes to draw.
func TestPageOfManyEvents(t *testing.T) {
	for _, end := range []int64{10_000_000, 0} {
		r, page := filmed(t, &sim.Plan{Seed: 3, EndUs: end})
		got := browse(t, page, hands+`
const start = performance.now();
v.draw();
out.all = v.drawn;
out.things = v.items.length;
v.goToLine(v.world.violations[0].Lines[0]);
v.draw();
out.some = v.drawn;
const box = document.getElementById("search");
const at = performance.now();
box.value = "0x";
box.dispatchEvent(new Event("input"));
out.search = performance.now() - at;
out.matches = v.matches().length;
out.lines = Object.keys(v.world.lines).length;
`)
		if n, _ := got["things"].(float64); n < 1000 {
			t.Errorf("a page of %v things", got["things"])
		}
		if n, _ := got["matches"].(float64); n < 100 {
			t.Errorf("%v matches of 0x", got["matches"])
		}
		t.Logf("%d events, page of %d KiB, %v things: all drawn in %v ms, a part in %v ms, "+
			"search in %v ms", r.Count("events"), len(page)>>10, got["things"], got["all"],
			got["some"], got["search"])
	}
}

// TestPicture draws a page as the command does, and looks whether something is on it.
func TestPicture(t *testing.T) {
	b := needBrowser(t)
	_, html := filmed(t, &sim.Plan{Seed: 3, EndUs: 5_000_000})
	dir := t.TempDir()
	from, to := filepath.Join(dir, "index.html"), filepath.Join(dir, "page.png")
	if err := os.WriteFile(from, html, 0o644); err != nil {
		t.Fatal(err)
	}
	err := newRoot(nil, io.Discard, io.Discard).ExecuteArgs([]string{"picture", "-chromium",
		string(b), from, to})
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	drawn, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	size, colors := drawn.Bounds(), map[color.Color]bool{}
	for x := range size.Dx() {
		for y := range size.Dy() {
			colors[drawn.At(x, y)] = true
		}
	}
	if got := fmt.Sprintf("%d,%d", size.Dx(), size.Dy()); got != pictureSize || len(colors) < 20 {
		t.Errorf("a picture of %s in %d colors, want %s", got, len(colors), pictureSize)
	}
}

func TestPictureRefuses(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "index.html")
	if err := os.WriteFile(page, []byte("<p>page</p>"), 0o644); err != nil {
		t.Fatal(err)
	}
	silent, err := exec.LookPath("true") // a browser that ends well and has drawn nothing
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, browser, page, want string }{
		{"no such page", silent, filepath.Join(dir, "no.html"), "no.html"},
		{"no such browser", filepath.Join(dir, "chrome"), page, "there is no " + dir},
		{"nothing drawn", silent, page, "has written nothing"},
	} {
		err := newRoot(nil, io.Discard, io.Discard).ExecuteArgs([]string{"picture", "-chromium",
			c.browser, c.page, filepath.Join(dir, "page.png")})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}
