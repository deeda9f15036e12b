package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseProperties(t *testing.T) {
	tests := []struct {
		text string
		want string
	}{
		{"a=b", "1:a=b"},
		{"a:b\nc d\ne = f \n g\t:\th", "1:a=b 2:c=d 3:e=f 4:g=h"},
		{"# no\n! no\n\n  \t\n  # no\na=b#c", "6:a=b#c"},
		{"a", "1:a="},
		{"a=", "1:a="},
		{"a=1\na=2", "1:a=1 2:a=2"},
		{"a=b\\\n   c\\\r\n  d\ne=f", "1:a=bcd 4:e=f"},
		{"ke\\\n  y=v", "1:key=v"},
		{`a=b\\` + "\nc=d", `1:a=b\ 2:c=d`},
		{"a=b\\\n#c", "1:a=b#c"},
		{"a=b\\", "1:a=b"},
		{"\\\n", ""},
		{"a=b\rc=d\r\ne=f", "1:a=b 2:c=d 3:e=f"},
		{`a\ b=c\:d\=e`, "1:a b=c:d=e"},
		{`a=\u0041\t.`, "1:a=A\t."},
		{"a=${HOME}", "1:a=${HOME}"},
		{"a=\xe4", "1:a=ä"},
		{"\xEF\xBB\xBFa=b", "1:a=b"},
		{"=b", "fault 1: a value without a key"},
		{"a=b\nc=secret\\uzzzz", "1:a=b fault 2: malformed line"},
	}
	for _, test := range tests {
		settings, faults := parseProperties("f", []byte(test.text))
		var got []string
		for _, s := range settings {
			got = append(got, fmt.Sprintf("%d:%s=%s", s.where.Line, s.key, s.value))
		}
		for _, f := range faults {
			got = append(got, fmt.Sprintf("fault %d: %s", f.Where.Line, f.Problem))
		}
		if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("parseProperties(%q): -want +got\n%s", test.text, diff)
		}
	}
	if _, faults := parseProperties("f", make([]byte, maxFileBytes+1)); len(faults) != 1 {
		t.Errorf("a file above the limit: %d faults, want 1", len(faults))
	}
}

func TestSplitWords(t *testing.T) {
	tests := []struct {
		text string
		want []string
		ok   bool
	}{
		{"", nil, true},
		{"  a  b\tc\nd ", []string{"a", "b", "c", "d"}, true},
		{`-Da="b c" -Dd='e "f"' g\ h`, []string{"-Da=b c", `-Dd=e "f"`, "g h"}, true},
		{`"a\"b" "c\d" 'e\f'`, []string{`a"b`, `c\d`, `e\f`}, true},
		{`'' ""`, []string{"", ""}, true},
		{`a\`, []string{`a\`}, true},
		{`"a`, []string{"a"}, false},
		{`'a`, []string{"a"}, false},
	}
	for _, test := range tests {
		got, ok := splitWords(test.text)
		if ok != test.ok || ok && !cmp.Equal(got, test.want) {
			t.Errorf("splitWords(%q) = %q, %t; want %q, %t", test.text, got, ok, test.want, test.ok)
		}
	}
}

func TestDecodeInt(t *testing.T) {
	tests := []struct {
		text     string
		property bool
		want     int64
		ok       bool
	}{
		{"10", false, 10, true},
		{"+10", false, 10, true},
		{"-10", false, -10, true},
		{"010", false, 10, true},
		{"010", true, 8, true},
		{"0", true, 0, true},
		{"0x9fffff", true, 0x9fffff, true},
		{"0x9fffff", false, 0, false},
		{"-0X10", true, -16, true},
		{"#ff", true, 255, true},
		{"1_000", true, 0, false},
		{"0x", true, 0, false},
		{"0x-1", true, 0, false},
		{"--1", true, 0, false},
		{"1e3", true, 0, false},
		{"", true, 0, false},
		{"9223372036854775808", true, 0, false},
	}
	for _, test := range tests {
		got, err := decodeInt(test.text, test.property)
		if (err == nil) != test.ok || test.ok && got != test.want {
			t.Errorf("decodeInt(%q, %t) = %d, %v; want %d, %t",
				test.text, test.property, got, err, test.want, test.ok)
		}
	}
}

func TestParseServer(t *testing.T) {
	tests := []struct {
		text, address, problem string
		observer               bool
	}{
		{text: "localhost:2888:3888"},
		{text: "localhost:2888:3888;2181", address: "0.0.0.0:2181"},
		{text: "zoo1:2888:3888:participant;10.0.0.1:2181", address: "10.0.0.1:2181"},
		{text: "zoo1:2888:3888:Observer", observer: true},
		{text: "[::1]:2888:3888;[::1]:2181", address: "[::1]:2181"},
		{text: "a:2888:3888|b:2889:3889"},
		{text: "zoo1:2888:2888", problem: "must differ"},
		{text: "zoo1:2888", problem: "not of the form"},
		{text: "zoo1:2888:99999", problem: "is not a port"},
		{text: "zoo1:2888:3888:king", problem: "neither participant nor observer"},
		{text: "zoo1:2888:3888;a:b:c", problem: "not of the form"},
		{text: "zoo1:2888:3888;", problem: "not of the form"},
		{text: "", problem: "not of the form"},
		{text: "[::1", problem: "not of the form"},
	}
	for _, test := range tests {
		line, problem := parseServer(test.text)
		if test.problem != "" {
			if !strings.Contains(problem, test.problem) {
				t.Errorf("parseServer(%q): problem %q, want %q", test.text, problem, test.problem)
			}
			continue
		}
		if problem != "" || line.clientAddress != test.address || line.observer != test.observer {
			t.Errorf("parseServer(%q) = %q, observer %t, problem %q; want %q, %t",
				test.text, line.clientAddress, line.observer, problem, test.address, test.observer)
		}
	}
}
