package client

import (
	"errors"

	"github.com/vivariumdb/vivarium/wire"
)

// Code is an outcome other than success, as an error. Compare with errors.Is.
type Code wire.ErrorCode

// The outcomes that callers tell apart.
const (
	ErrNoNode                  = Code(wire.CodeNoNode)
	ErrNodeExists              = Code(wire.CodeNodeExists)
	ErrBadVersion              = Code(wire.CodeBadVersion)
	ErrNotEmpty                = Code(wire.CodeNotEmpty)
	ErrNoChildrenForEphemerals = Code(wire.CodeNoChildrenForEphemerals)
	ErrNoAuth                  = Code(wire.CodeNoAuth)
	ErrInvalidACL              = Code(wire.CodeInvalidACL)
	ErrBadArguments            = Code(wire.CodeBadArguments)
	ErrQuotaExceeded           = Code(wire.CodeQuotaExceeded)
	ErrNoWatcher               = Code(wire.CodeNoWatcher)
	ErrNotReadOnly             = Code(wire.CodeNotReadOnly)
	ErrUnimplemented           = Code(wire.CodeUnimplemented)
	ErrMarshalling             = Code(wire.CodeMarshallingError)
	ErrThrottled               = Code(wire.CodeThrottledOp)
	// ErrRolledBack is the outcome of those operations of a failed Multi that are not to blame.
	ErrRolledBack = Code(wire.CodeRuntimeInconsistency)
	// ErrConnectionLoss: the call may or may not have taken effect.
	ErrConnectionLoss = Code(wire.CodeConnectionLoss)
	// ErrSessionExpired and ErrAuthFailed end the session.
	ErrSessionExpired = Code(wire.CodeSessionExpired)
	ErrAuthFailed     = Code(wire.CodeAuthFailed)
)

// The errors that no server sends.
var (
	// ErrClosed: Close was called.
	ErrClosed = errors.New("client is closed")
	// ErrWatchOverflow ends a watch whose reader is too slow for Options.WatchBuffer.
	ErrWatchOverflow = errors.New("watch has too many events that nobody took")
	// ErrTooLarge: the request is longer than Options.MaxRequest. It was not sent.
	ErrTooLarge = errors.New("request is longer than servers accept (jute.maxbuffer)")
)

// Error says what the outcome is in words.
func (c Code) Error() string {
	if text, ok := codeTexts[wire.ErrorCode(c)]; ok {
		return text
	}
	return "server answers " + wire.ErrorCode(c).String()
}

var codeTexts = map[wire.ErrorCode]string{
	wire.CodeNoNode:                  "node does not exist",
	wire.CodeNodeExists:              "node exists already",
	wire.CodeBadVersion:              "node has another version",
	wire.CodeNotEmpty:                "node has children",
	wire.CodeNoChildrenForEphemerals: "parent is ephemeral and cannot have children",
	wire.CodeNoAuth:                  "not allowed by the node's ACL",
	wire.CodeInvalidACL:              "ACL is not valid",
	wire.CodeBadArguments:            "path or argument is not valid",
	wire.CodeQuotaExceeded:           "quota is exceeded",
	wire.CodeNoWatcher:               "there is no such watch",
	wire.CodeNotReadOnly:             "server is read-only: it has lost its ensemble",
	wire.CodeUnimplemented:           "server does not know this operation",
	wire.CodeMarshallingError:        "server does not understand the request",
	wire.CodeThrottledOp:             "server is overloaded and dropped the request",
	wire.CodeRuntimeInconsistency:    "rolled back, another operation failed",
	wire.CodeConnectionLoss:          "connection lost, it may or may not have taken effect",
	wire.CodeSessionExpired:          "session has expired, dial again",
	wire.CodeAuthFailed:              "credentials were refused, dial again with others",
}

// Error is the error of a call.
type Error struct {
	Op   string // as ZooKeeper names it, such as getData
	Path string // as the caller named it; "" if there is none
	Err  error  // a Code, one of the errors of this package, or the context's
}

// Error returns "op path: cause".
func (e *Error) Error() string {
	if e.Path == "" {
		return e.Op + ": " + e.Err.Error()
	}
	return e.Op + " " + e.Path + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// newError wraps what went wrong with a call.
func newError(op wire.OpCode, path string, err error) error {
	return &Error{Op: op.String(), Path: path, Err: err}
}
