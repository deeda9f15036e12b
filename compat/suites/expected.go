package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
)

// Expected is what the real server did when somebody last recorded it, by suite. It stands in for
// ZooKeeper's column where only ours runs.
type Expected map[string]Record

// A Record is one suite's part of it.
type Record struct {
	Version string             `json:"version"` // of the suite
	Server  string             `json:"server"`
	Results map[string]Outcome `json:"results"`
}

// readExpected reads the record; none is an empty one.
func readExpected(path string) (Expected, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Expected{}, nil
	}
	if err != nil {
		return nil, err
	}
	var e Expected
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return e, nil
}

// with returns e with ZooKeeper's columns of the given comparisons.
func (e Expected) with(tables []Comparison) Expected {
	all := Expected{}
	maps.Copy(all, e)
	for _, t := range tables {
		for _, col := range t.Columns {
			if col.Server != zooKeeper || col.Broken != "" {
				continue
			}
			r := Record{Version: col.SuiteVersion, Server: col.ServerVersion,
				Results: map[string]Outcome{}}
			for _, result := range col.Results {
				r.Results[result.ID] = result.Outcome
			}
			all[t.Suite] = r
		}
	}
	return all
}

// column returns the record as a column, of the tests that match.
func (r Record) column(match *regexp.Regexp) *Column {
	col := &Column{Server: zooKeeper, ServerVersion: r.Server + ", recorded",
		SuiteVersion: r.Version}
	for _, id := range sortedKeys(r.Results) {
		if belongs(id, match) {
			col.Results = append(col.Results, Result{ID: id, Outcome: r.Results[id]})
		}
	}
	return col
}
