package core

import (
	"errors"
	"strings"
	"testing"
)

func TestParseServer(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"h:1:2", "h:1:2:participant"},
		{" h:1:2:participant ; 3 ", "h:1:2:participant;0.0.0.0:3"},
		{"h:1:2:OBSERVER;c:3", "h:1:2:observer;c:3"},
		{"[::1]:1:2;[fe80::2]:3", "[::1]:1:2:participant;[fe80::2]:3"},
		{"h:01:2;03", "h:1:2:participant;0.0.0.0:3"},
		{"", ""}, {"h", ""}, {"h:1", ""}, {"h:1:2:3", ""}, {"h:1:2:voter", ""}, {"h:1:2:", ""},
		{"h:1:2;", ""}, {"h:1:2;a:b:3", ""}, {"h:1:2;3;4", ""}, {"h:x:2", ""}, {"h:1:65536", ""},
		{":1:2", ""}, {"a|b:1:2", ""}, {"h:1:2|i:1:2", ""}, {"[::1:1:2", ""}, {"[]:1:2", ""},
		{"h h:1:2", ""}, {strings.Repeat("h", 256) + ":1:2", ""}, {"h:-1:2", ""},
	} {
		s, err := ParseServer(1, test.in)
		got := ""
		if err == nil {
			got = s.Text()
		} else if !errors.Is(err, errConfig) {
			t.Errorf("ParseServer(%q) = %v, want errConfig", test.in, err)
		}
		if got != strings.ReplaceAll(test.want, " ", "") {
			t.Errorf("ParseServer(%q) = %q, %v, want %q", test.in, got, err, test.want)
			continue
		}
		if err == nil {
			if again, err := ParseServer(1, got); err != nil || again != s {
				t.Errorf("ParseServer(%q) = %+v, %v, want %+v", got, again, err, s)
			}
		}
	}
}

func TestParseConfig(t *testing.T) {
	const one, two = "server.1=a:1:2:participant;0.0.0.0:9", "server.2=b:1:2:observer;0.0.0.0:9"
	for _, test := range []struct{ in, want string }{
		{one, one}, {two + "," + one, one + "\n" + two},
		{one + "\nversion=77\n" + two, one + "\n" + two},
		{"# a comment\n" + one + "\n\n", one},
		{"server.1 = a:1:2;9", one},
		{two, ""}, {"", ""}, {"version=1", ""}, {"group.1=1:2", ""}, {one + ",weight.1=1", ""},
		{"server.x=a:1:2", ""}, {"server.-1=a:1:2", ""}, {"server.1", ""}, {"other=1", ""},
		{one + "\nserver.3=a:1:3;9", ""}, // the address of server.1
		{one + "\nserver.3=a:2:3;9", ""}, // its election address
		{one + "\n" + one, one},          // the last one counts, as in a file of properties
	} {
		servers, err := parseConfig(test.in)
		got := ""
		if err == nil {
			got = strings.TrimSuffix(string(appendConfig(nil, servers, 0x1f)), "\nversion=1f")
		}
		if got != test.want {
			t.Errorf("parseConfig(%q) = %q, %v, want %q", test.in, got, err, test.want)
		}
	}
}

func TestChangeConfig(t *testing.T) {
	base, err := parseConfig("server.1=a:1:2;9,server.2=b:1:2;9,server.3=c:1:2;9")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ joining, leaving, want string }{
		{"", "", "123"}, {"", "2", "13"}, {"", " 2 , 3", "1"}, {"", "7", "123"},
		{"server.4=d:1:2;9", "", "1234"}, {"server.4=d:1:2;9,server.0=e:1:2;9", "1", "0234"},
		{"server.2=x:1:2;9", "2", "123"},
		{"server.4=d:1:2", "", ""}, {"server.4=a:1:2;9", "", ""}, {"server.4=a:1:2;9", "1", "234"},
		{"4=d:1:2;9", "", ""}, {"server.4", "", ""}, {"", "x", ""}, {"", "1,2,3", ""},
	} {
		servers, err := changeConfig(base, test.joining, test.leaving)
		got := ""
		for i := range servers {
			got += strings.TrimPrefix(servers[i].ID.String(), "server.")
		}
		if err != nil {
			got = ""
		}
		if got != test.want {
			t.Errorf("changeConfig(join %q, leave %q) = %q, %v, want %q",
				test.joining, test.leaving, got, err, test.want)
		}
	}
	if len(base) != 3 || base[1].Peer != "b:1" {
		t.Errorf("the old configuration was written into: %+v", base)
	}
}
