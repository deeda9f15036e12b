package fourletter

import (
	"slices"
	"testing"
)

// FuzzWords: four bytes are one of the words or the length of a handshake, and a whitelist
// allows what it names.
func FuzzWords(f *testing.F) {
	for _, w := range Words() {
		f.Add([]byte(w), "srvr, "+string(w)+" ,*")
	}
	f.Add([]byte("\xff\xf4\xff\xfd"), "")
	f.Fuzz(func(t *testing.T, first []byte, list string) {
		word, ok := Parse(first)
		if ok != (word != "") || ok && !slices.Contains(Words(), word) {
			t.Fatalf("Parse(%x) = %q, %v", first, word, ok)
		}
		if len(first) >= 4 && slices.Contains(Words(), Word(first[:4])) != (ok &&
			word != TelnetClose) {
			t.Fatalf("Parse(%x) = %q, %v", first, word, ok)
		}
		if _, ok := ParseTraceMask(first); ok != (len(first) >= 8) {
			t.Fatalf("ParseTraceMask(%x) = _, %v", first, ok)
		}
		w := NewWhitelist([]string{list})
		if !w.Allows(Srvr) || list == string(word) && ok && !w.Allows(word) {
			t.Fatalf("NewWhitelist(%q) does not allow %q", list, word)
		}
		_, _ = word.NeedsService(), word.NotServing()
	})
}
