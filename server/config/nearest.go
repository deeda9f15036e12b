package config

import (
	"sort"
	"strings"
)

// unknown records a key that nobody reads, with the known one that is most like it.
func (l *loader) unknown(s setting, name string, known []string) {
	if short, ok := strings.CutPrefix(name, "zookeeper."); ok && s.where.File == l.sources.File {
		if k := l.index.inFile(short); k != nil {
			l.notice(UnknownKey, s, "no effect, as in ZooKeeper: in this file write it without "+
				"\"zookeeper.\", as %s", short)
			return
		}
	}
	if near := nearest(name, known); near != "" {
		l.notice(UnknownKey, s, "no such key, no effect; the nearest is %s", near)
		return
	}
	l.notice(UnknownKey, s, "no such key, no effect")
}

// fileNames are all names that may stand in zoo.cfg.
func (ix *index) fileNames() []string {
	var names []string
	for _, k := range ix.keys {
		names = append(names, strings.TrimSuffix(k.Name, "*"))
	}
	sort.Strings(names)
	return names
}

// propertyNames are all full names of Java properties.
func (ix *index) propertyNames() []string {
	var names []string
	for _, k := range ix.keys {
		if p := k.Property(); p != "" {
			names = append(names, strings.TrimSuffix(p, "*"))
		}
		names = append(names, k.Aliases...)
	}
	sort.Strings(names)
	return names
}

// nearest is the name most like this one, "" if none is like it: more than a third of the
// letters would have to change. Letters that differ only in case cost nothing.
func nearest(name string, known []string) string {
	if len(name) > maxShown {
		return ""
	}
	best, bestCost := "", len(name)/3+1
	for _, candidate := range known {
		cost := distance(strings.ToLower(name), strings.ToLower(candidate), bestCost)
		if cost < bestCost {
			best, bestCost = candidate, cost
		}
	}
	return best
}

// distance is the number of letters to insert, delete, change or swap with their neighbour to
// turn a into b, or limit if it is not less than that.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return min(last[len(b)], limit)
}
