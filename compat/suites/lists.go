package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Lists are the committed names of tests that need a word: suite, then id, then the reason.
type Lists struct {
	// Later are tests that run in neither column.
	Later map[string]map[string]string
	// Flaky are tests that fail for the real server now and then; ours may need two tries as well.
	Flaky map[string]map[string]string
}

// readLists reads later.txt and flaky.txt.
func readLists(dir string) (Lists, error) {
	var l Lists
	var err error
	if l.Later, err = readList(filepath.Join(dir, "later.txt")); err != nil {
		return l, err
	}
	l.Flaky, err = readList(filepath.Join(dir, "flaky.txt"))
	return l, err
}

// readList reads lines of suite, id and reason. Empty lines and lines that begin with # are for
// the reader.
func readList(path string) (map[string]map[string]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	list := map[string]map[string]string{}
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if len(words) < 3 {
			return nil, fmt.Errorf("%s:%d: %q: want suite, test id and reason",
				path, n, lines.Text())
		}
		suite, id := words[0], words[1]
		if list[suite] == nil {
			list[suite] = map[string]string{}
		}
		if _, ok := list[suite][id]; ok {
			return nil, fmt.Errorf("%s:%d: %s is there twice", path, n, id)
		}
		list[suite][id] = strings.Join(words[2:], " ")
	}
	return list, lines.Err()
}

// unknown returns the listed names that the suite does not have.
func (l Lists) unknown(suite string, ids []string) []string {
	var names []string
	for _, list := range []map[string]string{l.Later[suite], l.Flaky[suite]} {
		for _, id := range sortedKeys(list) {
			if !slices.Contains(ids, id) {
				names = append(names, id)
			}
		}
	}
	return names
}
