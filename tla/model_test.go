package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const counterModule = `---- MODULE Counter ----
\* guard step-by-one: Small
\* guard goes-on: Ends [Counter-liveness]
\* reaches Top
\* never Jump: only without step-by-one
Guard(g) == g \notin Broken
Step == Guard("step-by-one") /\ Guard("goes-on")
Jump == TRUE
`

func counterConfigs() []Config {
	return []Config{
		parseConfig("Counter", "SPECIFICATION Spec\nCONSTANTS\n  Max = 3 \\* enough\n"+
			"  Broken = {}\nINVARIANTS\n  TypeOK Small\n  Other\nPROPERTY Grows\n"+
			"CHECK_DEADLOCK FALSE\n"),
		parseConfig("Counter-liveness",
			"SPECIFICATION FairSpec\nCONSTANT Broken = { }\nPROPERTIES Ends Stays\n"+
				"INVARIANT TypeOK"),
	}
}

func TestParseConfigTakesOutWhatIsChecked(t *testing.T) {
	got := counterConfigs()[0]
	want := Config{Name: "Counter",
		Text:       "SPECIFICATION Spec\nCONSTANTS\nMax = 3\nBroken = {}\nCHECK_DEADLOCK FALSE\n",
		Invariants: []string{"TypeOK", "Small", "Other"}, Properties: []string{"Grows"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parseConfig (-want +got):\n%s", diff)
	}
}

func TestParseModelListsJobs(t *testing.T) {
	m, err := parseModel("Counter", counterModule, counterConfigs())
	if err != nil {
		t.Fatal(err)
	}
	type row struct{ name, module, config string }
	var got []row
	for _, j := range allJobs([]Model{m}) {
		module, config := j.Files()
		got = append(got, row{j.Name, module, config})
	}
	head := "---- MODULE VivariumRun ----\nEXTENDS Counter, TLC\n"
	want := []row{
		{"Counter", head + `ASSUME \A vvI \in 1..1 : TLCSet(vvI, FALSE)
VvProbe ==
  /\ TLCGet(1) \/ ~(Top) \/ ` +
			`(TLCSet(1, TRUE) /\ PrintT(<<"reached", "Top", TLCGet("level")>>))
====
`, `SPECIFICATION Spec
CONSTANTS
Max = 3
Broken = {}
CHECK_DEADLOCK FALSE
INVARIANTS TypeOK Small Other VvProbe
PROPERTIES Grows
`},
		{"Counter-liveness", head + "====\n", `SPECIFICATION FairSpec
CONSTANT Broken = { }
INVARIANTS TypeOK
PROPERTIES Ends Stays
`},
		{"Counter/step-by-one", head + "====\n", `SPECIFICATION Spec
CONSTANTS
Max = 3
Broken = {"step-by-one"}
CHECK_DEADLOCK FALSE
INVARIANTS Small TypeOK Other
PROPERTIES Grows
`},
		{"Counter/goes-on", head + "====\n", `SPECIFICATION FairSpec
CONSTANT Broken = {"goes-on"}
PROPERTIES Ends
`},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
}

func TestParseModelRefuses(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{`guard step-by-one: Small`, `guard step-by-one Small`, "is no declaration"},
		{`guard step-by-one: Small`, `guard step-by-one: Large`, "does not check Large"},
		{`guard step-by-one: Small`, `guard step-by-one: Small [Counter-x]`, "no Counter-x.cfg"},
		{`\* guard step-by-one: Small`, ``, `Guard("step-by-one") is used but not declared`},
		{`Guard("step-by-one") /\`, ``, "guard step-by-one is declared but not used"},
		{`guard goes-on: Ends [Counter-liveness]`, `guard step-by-one: Small`, "declared twice"},
		{`reaches Top`, `reaches Top [Counter-wide]`, "no Counter-wide.cfg"},
		{`never Jump`, `never Leap`, "never Leap: no such action"},
	} {
		text := strings.Replace(counterModule, c.from, c.to, 1)
		if text == counterModule {
			t.Fatalf("%q does not occur", c.from)
		}
		_, err := parseModel("Counter", text, counterConfigs())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("with %q for %q: error %v, want %q", c.to, c.from, err, c.want)
		}
	}
}

func TestParseModelWantsBrokenAndChecks(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{"SPECIFICATION Spec\nINVARIANT Small", "has no line Broken = {}"},
		{"SPECIFICATION Spec\nCONSTANT Broken = {}", "checks nothing"},
	} {
		configs := counterConfigs()
		configs[0] = parseConfig("Counter", c.config)
		_, err := parseModel("Counter", counterModule, configs)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("with configuration %q: error %v, want %q", c.config, err, c.want)
		}
	}
}

// The models of this directory are well formed, and each has something that must refute it.
func TestModelsOfThisDirectory(t *testing.T) {
	models, err := loadModels(".", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range models {
		if len(m.Guards) == 0 || len(m.Reaches) == 0 {
			t.Errorf("%s: %d guards, %d situations to reach: a model needs both",
				m.Name, len(m.Guards), len(m.Reaches))
		}
	}
}
