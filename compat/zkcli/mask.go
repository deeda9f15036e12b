package zkcli

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A masker replaces what differs from run to run by names, one to one where that is possible: two
// values have the same name if and only if they are the same, and those of zxids are in the order
// of the values. Values that are the same on every server stay: the 0 of a node that nobody
// created, the -1 of an event without a zxid, an owner that is no session.
type masker struct {
	replace      *strings.Replacer
	began, ended time.Time

	zxids    []int64 // sorted
	sessions []int64 // in the order in which they were seen
}

var (
	zxidHex     = regexp.MustCompile(`\b([cmp]Zxid = )0x([0-9a-f]+)$`)
	zxidDecimal = regexp.MustCompile(`( zxid: )(-?\d+)$`)
	clock       = regexp.MustCompile(`\b([cm]time = )(.*)$`)
	owner       = regexp.MustCompile(`\b(ephemeralOwner = )0x([0-9a-f]+)$`)
)

// clockLayout is how Java prints a Date in the locale and time zone that clients run in.
const clockLayout = "Mon Jan 02 15:04:05 MST 2006"

// mask returns the lines of all steps without what differs from run to run.
func (m *masker) mask(steps [][]string) [][]string {
	for _, lines := range steps {
		for _, line := range lines {
			m.collect(line)
		}
	}
	slices.Sort(m.zxids)
	m.zxids = slices.Compact(m.zxids)
	masked := make([][]string, len(steps))
	for i, lines := range steps {
		for _, line := range lines {
			masked[i] = append(masked[i], m.line(line))
		}
	}
	return masked
}

// collect notes the zxids of a line.
func (m *masker) collect(line string) {
	for base, pattern := range map[int]*regexp.Regexp{16: zxidHex, 10: zxidDecimal} {
		found := pattern.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		if v, err := strconv.ParseInt(found[2], base, 64); err == nil && v > 0 {
			m.zxids = append(m.zxids, v)
		}
	}
}

// line returns one line masked.
func (m *masker) line(line string) string {
	line = m.replace.Replace(line)
	line = rewrite(zxidHex, line, func(text string) string { return m.zxid(text, 16) })
	line = rewrite(zxidDecimal, line, func(text string) string { return m.zxid(text, 10) })
	line = rewrite(clock, line, m.time)
	return rewrite(owner, line, m.session)
}

// rewrite replaces the second group of pattern, if the pattern is there and f returns something.
func rewrite(pattern *regexp.Regexp, line string, f func(string) string) string {
	at := pattern.FindStringSubmatchIndex(line)
	if at == nil {
		return line
	}
	name := f(line[at[4]:at[5]])
	if name == "" {
		return line
	}
	return line[:at[3]] + name + line[at[5]:]
}

// zxid returns the name of a zxid.
func (m *masker) zxid(text string, base int) string {
	v, err := strconv.ParseInt(text, base, 64)
	if at, ok := slices.BinarySearch(m.zxids, v); err == nil && ok {
		return fmt.Sprintf("<zxid %d>", at+1)
	}
	return ""
}

// time returns the name of a time, if it lies within the run.
func (m *masker) time(text string) string {
	t, err := time.Parse(clockLayout, text)
	if err != nil || t.Before(m.began.Truncate(time.Second)) || t.After(m.ended) {
		return ""
	}
	return "<time>"
}

// session returns the name of a session that owns a node.
func (m *masker) session(text string) string {
	v, err := strconv.ParseUint(text, 16, 64)
	if err != nil || v == 0 {
		return ""
	}
	at := slices.Index(m.sessions, int64(v))
	if at < 0 {
		at = len(m.sessions)
		m.sessions = append(m.sessions, int64(v))
	}
	return fmt.Sprintf("<session %d>", at+1)
}
