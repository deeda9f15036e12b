// Package fourletter writes the answers to ZooKeeper's four-letter words: the texts that a client
// gets who sends ruok, stat or mntr instead of a handshake.
//
// It holds the format and nothing else: plain values go in, the exact bytes of a ZooKeeper 3.9.4
// come out, as scripts, exporters and client libraries parse them. Where the values come from, how
// they are gathered under which lock and that the connection is closed afterwards is the server's
// business. The caller's duties:
//
//	word, ok := Parse(first four bytes)    // not ok: it is a handshake
//	if !whitelist.Allows(word)             // answer word.Refusal()
//	if word.NeedsService() && !serving     // answer word.NotServing()
//	gather what the word needs, and append the answer
//
// All functions append to a slice and return it; nothing is kept.
package fourletter

import "strings"

// Word is a four-letter word.
type Word string

// The words. TelnetClose is what telnet sends when it closes: it has no answer.
const (
	Conf        Word = "conf"
	Cons        Word = "cons"
	Crst        Word = "crst"
	Dirs        Word = "dirs"
	Dump        Word = "dump"
	Envi        Word = "envi"
	Gtmk        Word = "gtmk"
	Hash        Word = "hash"
	Isro        Word = "isro"
	Mntr        Word = "mntr"
	Ruok        Word = "ruok"
	Srst        Word = "srst"
	Srvr        Word = "srvr"
	Stat        Word = "stat"
	Stmk        Word = "stmk"
	Wchc        Word = "wchc"
	Wchp        Word = "wchp"
	Wchs        Word = "wchs"
	TelnetClose Word = "telnet close"
)

// Words are all of them, sorted.
func Words() []Word {
	return []Word{Conf, Cons, Crst, Dirs, Dump, Envi, Gtmk, Hash, Isro, Mntr, Ruok, Srst, Srvr,
		Stat, Stmk, TelnetClose, Wchc, Wchp, Wchs}
}

// Parse tells which word the first four bytes of a connection are. It is false for all else, and
// then the bytes are the length of a handshake. After Stmk eight bytes follow: see ParseTraceMask.
func Parse(first []byte) (Word, bool) {
	if len(first) < 4 {
		return "", false
	}
	if string(first[:4]) == "\xff\xf4\xff\xfd" {
		return TelnetClose, true
	}
	for _, word := range Words() {
		if word != TelnetClose && string(first[:4]) == string(word) {
			return word, true
		}
	}
	return "", false
}

// Whitelist is the set of words that are answered. The zero value answers srvr alone.
type Whitelist struct {
	all   bool
	words map[Word]bool
}

// NewWhitelist reads a list as in 4lw.commands.whitelist: "*" stands for all words from there on.
// srvr is always in it, as zkServer.sh depends on it.
func NewWhitelist(list []string) Whitelist {
	w := Whitelist{words: map[Word]bool{}}
	for _, word := range list {
		if word = strings.TrimSpace(word); word == "*" {
			w.all = true
		}
		w.words[Word(word)] = true
	}
	return w
}

// Allows tells if the word is answered.
func (w Whitelist) Allows(word Word) bool { return w.all || word == Srvr || w.words[word] }

// Refusal is the answer to a word that is not in the whitelist.
func (w Word) Refusal() string {
	return string(w) + " is not executed because it is not in the whitelist.\n"
}

// NeedsService tells if a server that does not serve (no leader, still starting) answers the word
// by NotServing.
func (w Word) NeedsService() bool {
	switch w {
	case Ruok, Envi, Gtmk, Stmk, TelnetClose:
		return false
	}
	return true
}

// NotServing is the answer of a server that does not serve.
func (w Word) NotServing() string {
	const text = "This ZooKeeper instance is not currently serving requests"
	switch w {
	case Isro:
		return "null"
	case Hash:
		return text // the only one without an end of line, as in ZooKeeper
	}
	return text + "\n"
}

// The answers that never change.
const (
	// RuokAnswer has no end of line.
	RuokAnswer = "imok"
	CrstAnswer = "Connection stats reset.\n"
	SrstAnswer = "Server stats reset.\n"
)

// AppendIsro answers isro: rw, or ro in read-only mode.
func AppendIsro(b []byte, readOnly bool) []byte {
	if readOnly {
		return append(b, "ro"...)
	}
	return append(b, "rw"...)
}
