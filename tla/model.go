package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Model is a module with the configurations it is checked with.
type Model struct {
	Name string
	// Configs are the .cfg files of the module; the main one, named as the module, comes first.
	Configs []Config
	// Guards are the rules that can be switched off, each with what is violated then.
	Guards []Guard
	// Reaches are predicates that some reachable state must satisfy.
	Reaches []Reach
	// Never are actions that an unbroken model does not take: they exist for a broken variant.
	Never []string
}

// A Guard is a rule of the design. Violates names the invariant or property that refutes the model
// without it, and Config the configuration under which it does.
type Guard struct{ Name, Violates, Config string }

// A Reach is a state predicate that must become true under the named configuration.
type Reach struct{ Predicate, Config string }

// A Config is a .cfg file, with what is to be checked taken out.
type Config struct {
	Name string
	// Text is everything else: constants, specification, constraint, symmetry.
	Text                   string
	Invariants, Properties []string
}

// A Job is one run of TLC.
type Job struct {
	// Name is that of the configuration, or the module and the guard: Recovery/ack-after-sync.
	Name   string
	Model  string
	Config Config
	// Guard is the one switched off; none in the check of the model itself.
	Guard *Guard
	// Probes are the predicates to reach, Never the actions that need not be taken.
	Probes []string
	Never  []string
	// Actions says that each action must be taken under this configuration.
	Actions bool
}

var (
	guardLine = regexp.MustCompile(`^\\\* guard ([a-z0-9-]+): (\w+)(?: \[([\w-]+)\])?\s*$`)
	reachLine = regexp.MustCompile(`^\\\* reaches (\w+)(?: \[([\w-]+)\])?\s*$`)
	neverLine = regexp.MustCompile(`^\\\* never (\w+)\b`)
	// meantLine finds declarations, well formed or not.
	meantLine = regexp.MustCompile(`^\\\*\s*(guard|reaches|never)\b`)
	guardUse  = regexp.MustCompile(`Guard\("([^"]*)"\)`)
	noBroken  = regexp.MustCompile(`\bBroken\s*=\s*\{\s*\}`)
)

// loadModels reads all modules of dir that have a configuration, in alphabetical order. A module
// that is not well formed is left out if only others are asked for, by name.
func loadModels(dir string, run *regexp.Regexp) ([]Model, error) {
	modules, err := filepath.Glob(filepath.Join(dir, "*.tla"))
	if err != nil {
		return nil, err
	}
	var models []Model
	for _, path := range modules {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(filepath.Base(path), ".tla")
		configs, err := loadConfigs(dir, name)
		if err != nil {
			return nil, err
		}
		m, err := parseModel(name, string(text), configs)
		if err != nil && run != nil && !run.MatchString(name) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("tla/%s.tla: %w", name, err)
		}
		if len(m.Configs) > 0 {
			models = append(models, m)
		}
	}
	return models, nil
}

// loadConfigs reads Module.cfg and all Module-*.cfg.
func loadConfigs(dir, module string) ([]Config, error) {
	paths, err := filepath.Glob(filepath.Join(dir, module+"-*.cfg"))
	if err != nil {
		return nil, err
	}
	main := filepath.Join(dir, module+".cfg")
	if _, err := os.Stat(main); err == nil {
		paths = slices.Insert(paths, 0, main)
	}
	var configs []Config
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		configs = append(configs,
			parseConfig(strings.TrimSuffix(filepath.Base(path), ".cfg"), string(text)))
	}
	return configs, nil
}

// parseModel reads the declarations of a module and holds them against its text.
func parseModel(name, text string, configs []Config) (Model, error) {
	m := Model{Name: name, Configs: configs}
	var problems []error
	for i, line := range strings.Split(text, "\n") {
		if !meantLine.MatchString(line) {
			continue
		}
		if !m.declare(line) {
			problems = append(problems, fmt.Errorf(
				"line %d: %q is no declaration: see tla/README.md", i+1, line))
		}
	}
	return m, errors.Join(append(problems, m.check(text)...)...)
}

// declare takes in a line of the form of a declaration, and reports whether it is one.
func (m *Model) declare(line string) bool {
	if f := guardLine.FindStringSubmatch(line); f != nil {
		m.Guards = append(m.Guards, Guard{f[1], f[2], cmp.Or(f[3], m.Name)})
	} else if f := reachLine.FindStringSubmatch(line); f != nil {
		m.Reaches = append(m.Reaches, Reach{f[1], cmp.Or(f[2], m.Name)})
	} else if f := neverLine.FindStringSubmatch(line); f != nil {
		m.Never = append(m.Never, f[1])
	} else {
		return false
	}
	return true
}

// check finds guards declared and not used, used and not declared, and names that lead nowhere.
func (m *Model) check(text string) []error {
	var problems []error
	used, declared := map[string]bool{}, map[string]bool{}
	for _, f := range guardUse.FindAllStringSubmatch(text, -1) {
		used[f[1]] = true
	}
	for _, g := range m.Guards {
		switch c, ok := m.config(g.Config); {
		case declared[g.Name]:
			problems = append(problems, fmt.Errorf("guard %s is declared twice", g.Name))
		case !used[g.Name]:
			problems = append(problems, fmt.Errorf("guard %s is declared but not used", g.Name))
		case !ok:
			problems = append(problems, fmt.Errorf("guard %s: no %s.cfg", g.Name, g.Config))
		case !slices.Contains(slices.Concat(c.Invariants, c.Properties), g.Violates):
			problems = append(problems, fmt.Errorf("guard %s: %s.cfg does not check %s",
				g.Name, g.Config, g.Violates))
		case !noBroken.MatchString(c.Text):
			problems = append(problems, fmt.Errorf("guard %s: %s.cfg has no line Broken = {}",
				g.Name, g.Config))
		}
		declared[g.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if !declared[name] {
			problems = append(problems, fmt.Errorf("Guard(%q) is used but not declared", name))
		}
	}
	for _, r := range m.Reaches {
		if _, ok := m.config(r.Config); !ok {
			problems = append(problems, fmt.Errorf("reaches %s: no %s.cfg", r.Predicate, r.Config))
		}
	}
	for _, name := range m.Never {
		if !regexp.MustCompile(`(?m)^` + name + `(\(.*\))? ==`).MatchString(text) {
			problems = append(problems, fmt.Errorf("never %s: no such action", name))
		}
	}
	for _, c := range m.Configs {
		if len(c.Invariants)+len(c.Properties) == 0 {
			problems = append(problems, fmt.Errorf("%s.cfg checks nothing", c.Name))
		}
	}
	return problems
}

// config returns the configuration of that name.
func (m *Model) config(name string) (Config, bool) {
	i := slices.IndexFunc(m.Configs, func(c Config) bool { return c.Name == name })
	if i < 0 {
		return Config{}, false
	}
	return m.Configs[i], true
}

// sections are the words that begin a section of a .cfg file.
var sections = []string{"CONSTANT", "CONSTANTS", "INIT", "NEXT", "SPECIFICATION", "CONSTRAINT",
	"CONSTRAINTS", "ACTION_CONSTRAINT", "ACTION_CONSTRAINTS", "SYMMETRY", "VIEW", "INVARIANT",
	"INVARIANTS", "PROPERTY", "PROPERTIES", "CHECK_DEADLOCK", "POSTCONDITION", "ALIAS"}

// parseConfig reads a .cfg file. Invariants and properties are taken out; comments are dropped.
func parseConfig(name, text string) Config {
	c := Config{Name: name}
	section, kept := "", []string{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, `\*`)
		var words []string
		for _, word := range strings.Fields(line) {
			if slices.Contains(sections, word) {
				section = word
			}
			switch section {
			case "INVARIANT", "INVARIANTS":
				if word != section {
					c.Invariants = append(c.Invariants, word)
				}
			case "PROPERTY", "PROPERTIES":
				if word != section {
					c.Properties = append(c.Properties, word)
				}
			default:
				words = append(words, word)
			}
		}
		if len(words) > 0 {
			kept = append(kept, strings.Join(words, " "))
		}
	}
	c.Text = strings.Join(kept, "\n") + "\n"
	return c
}

// allJobs lists what is to be run: the models with each of their configurations, then the variants.
func allJobs(models []Model) []Job {
	var jobs []Job
	for _, m := range models {
		// Counting actions makes TLC several times slower: a large model has a small
		// configuration for that.
		counting := m.Name
		if _, ok := m.config(m.Name + "-actions"); ok {
			counting = m.Name + "-actions"
		}
		for _, c := range m.Configs {
			job := Job{Name: c.Name, Model: m.Name, Config: c, Never: m.Never,
				Actions: c.Name == counting}
			for _, r := range m.Reaches {
				if r.Config == c.Name {
					job.Probes = append(job.Probes, r.Predicate)
				}
			}
			jobs = append(jobs, job)
		}
	}
	for _, m := range models {
		for _, g := range m.Guards {
			c, _ := m.config(g.Config)
			jobs = append(jobs, Job{Name: m.Name + "/" + g.Name, Model: m.Name,
				Config: c.without(g), Guard: &g})
		}
	}
	return jobs
}

// without returns the configuration in which the guard is off. The invariant that should refute it
// comes first: a state that violates several is then reported for the one that was meant. A
// property that should refute it is checked alone, for TLC looks at invariants first and does not
// say which temporal property fails.
func (c Config) without(g Guard) Config {
	c.Text = noBroken.ReplaceAllString(c.Text, fmt.Sprintf("Broken = {%q}", g.Name))
	if slices.Contains(c.Properties, g.Violates) {
		c.Invariants, c.Properties = nil, []string{g.Violates}
		return c
	}
	first := slices.Index(c.Invariants, g.Violates)
	rest := slices.Delete(slices.Clone(c.Invariants), first, first+1)
	c.Invariants = slices.Insert(rest, 0, g.Violates)
	return c
}

// Files returns the module that TLC is run on, and its configuration. The module extends the model
// by an invariant, always true, that prints each predicate the first time it holds.
func (j Job) Files() (module, config string) {
	var m, c strings.Builder
	fmt.Fprintf(&m, "---- MODULE %s ----\nEXTENDS %s, TLC\n", runModule, j.Model)
	c.WriteString(j.Config.Text)
	invariants := j.Config.Invariants
	if len(j.Probes) > 0 {
		fmt.Fprintf(&m, "ASSUME \\A vvI \\in 1..%d : TLCSet(vvI, FALSE)\n", len(j.Probes))
		m.WriteString("VvProbe ==\n")
		for i, p := range j.Probes {
			fmt.Fprintf(&m, "  /\\ TLCGet(%d) \\/ ~(%s) \\/ "+
				"(TLCSet(%d, TRUE) /\\ PrintT(<<\"reached\", %q, TLCGet(\"level\")>>))\n",
				i+1, p, i+1, p)
		}
		invariants = append(slices.Clone(invariants), "VvProbe")
	}
	m.WriteString("====\n")
	if len(invariants) > 0 {
		fmt.Fprintf(&c, "INVARIANTS %s\n", strings.Join(invariants, " "))
	}
	if len(j.Config.Properties) > 0 {
		fmt.Fprintf(&c, "PROPERTIES %s\n", strings.Join(j.Config.Properties, " "))
	}
	return m.String(), c.String()
}

// runModule is the name of the generated module.
const runModule = "VivariumRun"
