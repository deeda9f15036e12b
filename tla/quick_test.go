package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQuickJobsTakeEachModuleOnceAndEachVariantInTurn(t *testing.T) {
	models, err := loadModels(".", nil)
	if err != nil {
		t.Fatal(err)
	}
	all := allJobs(models)
	seen := map[string]int{}
	for turn := range quickTurns {
		modules := map[string]int{}
		for _, job := range quickJobs(all, turn+7*quickTurns) {
			if job.Guard == nil {
				modules[job.Model]++
			} else {
				seen[job.Name]++
			}
		}
		for _, m := range models {
			if modules[m.Name] != 1 {
				t.Errorf("turn %d checks %s %d times, want once", turn, m.Name, modules[m.Name])
			}
		}
	}
	for _, job := range all {
		if job.Guard != nil && seen[job.Name] != 1 {
			t.Errorf("%s is checked in %d of %d turns, want one", job.Name, seen[job.Name],
				quickTurns)
		}
	}
}

func TestMarkdown(t *testing.T) {
	results := []Result{
		{Name: "M", Model: "M", Config: "M", Generated: 1200, Distinct: 100, Depth: 7, CPU: 2.2,
			Checked: []string{"Small", "Grows"}, Properties: []string{"Grows"},
			Reached: map[string]int{"Top": 3}},
		{Name: "M-liveness", Model: "M", Config: "M-liveness", Generated: 30, Distinct: 10,
			Depth: 3, Checked: []string{"Ends"}, Properties: []string{"Ends"}},
		{Name: "M/g", Model: "M", Config: "M", Guard: "g", Want: "Small", Violated: "Small",
			Trace: 4, Distinct: 9, Generated: 9},
		{Name: "M/f", Model: "M", Config: "M-liveness", Guard: "f", Want: "Ends",
			Failure: "not refuted"},
	}
	var got strings.Builder
	printMarkdown(&got, results)
	want := "| model | states | distinct | depth | invariants | properties | " +
		`broken variants refuted |
|---|--:|--:|--:|--:|--:|--:|
| M | 1,200 | 100 | 7 | 1 | 1 | 1 |
| M-liveness | 30 | 10 | 3 | 0 | 1 | 0 |
| 2 models and their variants | 1,239 | 119 | | | | 1 of 2 |

FAILED: 1

| module | invariants | properties | reaches |
|---|---|---|---|
| M | Small | Ends, Grows | Top |

| without the guard | refuted by | in states |
|---|---|--:|
| M/g | Small | 4 |
| M/f |  | 0 | FAILED: not refuted
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}

// README.md shows the results of every model and of every variant.
func TestReadmeListsAll(t *testing.T) {
	models, err := loadModels(".", nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, job := range allJobs(models) {
		if !strings.Contains(string(text), "\n| "+job.Name+" |") {
			t.Errorf("tla/README.md has no row for %s: go run ./tla -table", job.Name)
		}
	}
}
