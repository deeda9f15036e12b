package linearizability

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds one line of a file. The largest request is 1 MiB, which base64 makes 1.4.
const maxLine = 256 << 20

// Read reads a whole history. Errors name the line of the file.
func Read(r io.Reader) (*History, error) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 1<<16), maxLine)
	h := &History{}
	no := 0
	for in.Scan() {
		no++
		b := in.Bytes()
		if no == 1 {
			if err := readHeader(b, &h.Header); err != nil {
				return nil, fmt.Errorf("history: line 1: %w", err)
			}
			continue
		}
		if len(bytes.TrimSpace(b)) == 0 {
			return nil, fmt.Errorf("history: line %d: empty line", no)
		}
		h.Lines = append(h.Lines, Line{})
		l := &h.Lines[len(h.Lines)-1]
		if err := readLine(b, l); err != nil {
			return nil, fmt.Errorf("history: line %d: %w", no, err)
		}
		l.No = no
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("history: after line %d: %w", no, err)
	}
	if no == 0 {
		return nil, errors.New("history: line 1: no header, the file is empty")
	}
	return h, nil
}

func readHeader(b []byte, h *Header) error {
	// The version is read first and by itself, so that a newer header is refused as newer, not
	// for a field that this reader does not know.
	var v struct {
		Version *int `json:"history"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return fmt.Errorf("not a header: %w", err)
	}
	if v.Version == nil {
		return errors.New(`not a header: it has no member "history"`)
	}
	if *v.Version != Version {
		return fmt.Errorf("format version %d, this reader knows only %d", *v.Version, Version)
	}
	if err := decodeStrict(b, h); err != nil {
		return err
	}
	return h.check()
}

// check says which field of a header bounds nothing.
func (h *Header) check() error {
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"driftPerMille", h.DriftPerMille},
		{"members", int64(h.Members)},
		{"expirySlackMs", h.ExpirySlackMs},
		{"answerWithin", h.AnswerWithin},
	} {
		if field.value < 0 {
			return fmt.Errorf("%q is %d, less than none", field.name, field.value)
		}
	}
	return nil
}

func readLine(b []byte, l *Line) error {
	if err := decodeStrict(b, l); err != nil {
		return err
	}
	return l.check()
}

func decodeStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than one JSON value")
	}
	return nil
}

// check says what a line of its kind lacks that judges dereference.
func (l *Line) check() error {
	lacks := func(what string) error { return fmt.Errorf("a %v line without %q", l.Kind, what) }
	switch l.Kind {
	case 0:
		return errors.New(`a line without "kind"`)
	case KindConnect, KindConnected:
		if l.Connect == nil {
			return lacks("connect")
		}
	case KindCall:
		if l.Request == nil {
			return lacks("request")
		}
	case KindReturn:
		if l.Result == nil {
			return lacks("result")
		}
	case KindCommit:
		return l.checkCommit(lacks)
	}
	switch l.Kind {
	case KindConnect, KindConnected, KindCall, KindReturn, KindEvent, KindDisconnect, KindHeard:
		if l.Conn == 0 {
			return lacks("conn")
		}
	}
	return nil
}

func (l *Line) checkCommit(lacks func(string) error) error {
	if l.Commit == nil {
		return lacks("commit")
	}
	switch l.Commit.Kind {
	case 0:
		return lacks("commit.kind")
	case CommitRequest:
		if l.Request == nil {
			return lacks("request")
		}
	case CommitConfig:
		if l.Request == nil &&
			(l.Commit.Pending || l.Result == nil || l.Result.Err == CodeOk) {
			return lacks("request")
		}
	}
	if l.Commit.Kind != CommitOther && l.Result == nil {
		return lacks("result")
	}
	return nil
}
