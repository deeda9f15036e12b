package sim

import (
	"regexp"
	"testing"
)

// What keeps a world from its end is said without what is as it should be.
func TestStuck(t *testing.T) {
	r := Run(Options{Seed: 3, Plan: &Plan{Seed: 3, PatienceUs: 1,
		Knobs: []string{"DurationMs=1000", "Hosts=3"}}})
	if !r.Failed() {
		t.Fatal("a world without patience does not fail")
	}
	text := r.Violations[0].Text
	for _, want := range []string{`^the world waits in vain for the clients: `,
		`client \d+ \(session 0x[0-9a-f]+`, `; host 1 `, `; host 2 `, `, applied \d+`} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("what is stuck is told as %q, want %q", text, want)
		}
	}
	if bad := regexp.MustCompile(`true|false|;\s*;|; $|\b0 `).FindString(text); bad != "" {
		t.Errorf("what is stuck is told as %q, with %q", text, bad)
	}
}

func TestLinkString(t *testing.T) {
	hosts := [2]*host{{id: 1}, {id: 4}}
	for _, c := range []struct {
		link peerLink
		want string
	}{
		{peerLink{up: true}, ""},
		{peerLink{silent: true}, "link 1-4 down, silent"},
		{peerLink{up: true, way: [2]way{{}, {cuts: 2, held: make([]*parcel, 3)}}},
			"link 1-4 cut 2 times to 4, 3 held to 4"},
	} {
		c.link.hosts = hosts
		if got := c.link.String(); got != c.want {
			t.Errorf("a link is told as %q, want %q", got, c.want)
		}
	}
}
