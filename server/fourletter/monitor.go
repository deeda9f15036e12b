package fourletter

import (
	"maps"
	"slices"
)

// Metrics is what mntr says. The maps hold values by the names of the catalogue, without zk_ and
// without avg_ and the like. What is missing is printed as 0: dashboards and exporters want all
// names to be there. What is in no catalogue is printed after the rest of its kind, sorted.
type Metrics struct {
	// Version is as Version makes it, State the mode as in srvr.
	Version, State string
	// Numbers are gauges and counters. Floats are gauges that may be a fraction.
	Numbers map[string]int64
	Floats  map[string]float64
	// Summaries are rows of observations.
	Summaries map[string]Summary
	// NumberSets and SummarySets are by name, and then by key: the first element of a path for
	// those that end in _per_namespace. An empty one prints nothing.
	NumberSets  map[string]map[string]int64
	SummarySets map[string]map[string]Summary
}

// AppendMntr answers mntr, in the order of a real server that is alone.
func AppendMntr(b []byte, m *Metrics) []byte {
	b = appendText(b, "zk_version\t", m.Version)
	b = appendText(b, "zk_server_state\t", m.State)
	for _, name := range gauges {
		if floatGauges[name] {
			b = appendFloatMetric(b, name, m.Floats[name])
			continue
		}
		b = appendMetric(b, "", name, m.Numbers[name])
	}
	b = appendNumberSets(b, m, gaugeSets)
	for _, name := range counters {
		b = appendMetric(b, "", name, m.Numbers[name])
	}
	b = appendNumberSets(b, m, counterSets)
	b = appendOwnNumbers(b, m)
	for _, name := range basicSummaries {
		b = appendSummary(b, name, m.Summaries[name], false)
	}
	for _, name := range fullSummaries {
		b = appendSummary(b, name, m.Summaries[name], true)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Summaries)) {
		if !isSummary[name] {
			b = appendSummary(b, name, m.Summaries[name], true)
		}
	}
	b = appendSummarySets(b, m, basicSummarySets, false)
	return appendSummarySets(b, m, fullSummarySets, true)
}

// appendOwnNumbers appends what ZooKeeper does not have.
func appendOwnNumbers(b []byte, m *Metrics) []byte {
	for _, name := range slices.Sorted(maps.Keys(m.Numbers)) {
		if !isNumber[name] {
			b = appendMetric(b, "", name, m.Numbers[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Floats)) {
		if !floatGauges[name] {
			b = appendFloatMetric(b, name, m.Floats[name])
		}
	}
	return b
}

func appendNumberSets(b []byte, m *Metrics, names []string) []byte {
	for _, name := range names {
		set := m.NumberSets[name]
		for _, key := range slices.Sorted(maps.Keys(set)) {
			b = appendMetric(b, key+"_", name, set[key])
		}
	}
	return b
}

func appendSummarySets(b []byte, m *Metrics, names []string, full bool) []byte {
	for _, name := range names {
		set := m.SummarySets[name]
		for _, key := range slices.Sorted(maps.Keys(set)) {
			b = appendSummary(b, key+"_"+name, set[key], full)
		}
	}
	return b
}

func appendSummary(b []byte, name string, s Summary, full bool) []byte {
	b = appendFloatMetric(b, "avg_"+name, s.Avg())
	b = appendMetric(b, "min_", name, s.Min)
	b = appendMetric(b, "max_", name, s.Max)
	b = appendMetric(b, "cnt_", name, s.Count)
	b = appendMetric(b, "sum_", name, s.Sum)
	if !full {
		return b
	}
	b = appendMetric(b, "p50_", name, s.P50)
	b = appendMetric(b, "p95_", name, s.P95)
	b = appendMetric(b, "p99_", name, s.P99)
	return appendMetric(b, "p999_", name, s.P999)
}

func appendMetric(b []byte, prefix, name string, value int64) []byte {
	b = append(append(append(b, "zk_"...), prefix...), name...)
	return appendLine(b, "\t", value)
}

func appendFloatMetric(b []byte, name string, value float64) []byte {
	b = append(append(append(b, "zk_"...), name...), '\t')
	return append(appendDouble(b, value), '\n')
}
