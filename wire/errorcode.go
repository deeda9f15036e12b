package wire

import "strconv"

// ErrorCode is the outcome of a request. It is data in a reply, not a Go error: a missing node
// is as ordinary an answer as a found one.
type ErrorCode int32

// The error codes of PROTOCOL 1.5.
const (
	CodeOk                           ErrorCode = 0
	CodeSystemError                  ErrorCode = -1
	CodeRuntimeInconsistency         ErrorCode = -2
	CodeDataInconsistency            ErrorCode = -3
	CodeConnectionLoss               ErrorCode = -4 // made by clients, never sent
	CodeMarshallingError             ErrorCode = -5
	CodeUnimplemented                ErrorCode = -6
	CodeOperationTimeout             ErrorCode = -7 // made by clients, never sent
	CodeBadArguments                 ErrorCode = -8
	CodeUnknownSession               ErrorCode = -12
	CodeNewConfigNoQuorum            ErrorCode = -13
	CodeReconfigInProgress           ErrorCode = -14
	CodeAPIError                     ErrorCode = -100
	CodeNoNode                       ErrorCode = -101
	CodeNoAuth                       ErrorCode = -102
	CodeBadVersion                   ErrorCode = -103
	CodeNoChildrenForEphemerals      ErrorCode = -108
	CodeNodeExists                   ErrorCode = -110
	CodeNotEmpty                     ErrorCode = -111
	CodeSessionExpired               ErrorCode = -112
	CodeInvalidCallback              ErrorCode = -113
	CodeInvalidACL                   ErrorCode = -114
	CodeAuthFailed                   ErrorCode = -115
	CodeSessionMoved                 ErrorCode = -118 // the connection is closed instead
	CodeNotReadOnly                  ErrorCode = -119
	CodeEphemeralOnLocalSession      ErrorCode = -120
	CodeNoWatcher                    ErrorCode = -121
	CodeRequestTimeout               ErrorCode = -122 // made by clients, never sent
	CodeReconfigDisabled             ErrorCode = -123
	CodeSessionClosedRequireSASLAuth ErrorCode = -124
	CodeQuotaExceeded                ErrorCode = -125
	CodeThrottledOp                  ErrorCode = -127
)

// String returns the error's name as ZooKeeper writes it, or ErrorCode(n).
func (c ErrorCode) String() string {
	if name, ok := codeNames[c]; ok {
		return name
	}
	return "ErrorCode(" + strconv.Itoa(int(c)) + ")"
}

var codeNames = map[ErrorCode]string{
	CodeOk:                           "Ok",
	CodeSystemError:                  "SystemError",
	CodeRuntimeInconsistency:         "RuntimeInconsistency",
	CodeDataInconsistency:            "DataInconsistency",
	CodeConnectionLoss:               "ConnectionLoss",
	CodeMarshallingError:             "MarshallingError",
	CodeUnimplemented:                "Unimplemented",
	CodeOperationTimeout:             "OperationTimeout",
	CodeBadArguments:                 "BadArguments",
	CodeUnknownSession:               "UnknownSession",
	CodeNewConfigNoQuorum:            "NewConfigNoQuorum",
	CodeReconfigInProgress:           "ReconfigInProgress",
	CodeAPIError:                     "APIError",
	CodeNoNode:                       "NoNode",
	CodeNoAuth:                       "NoAuth",
	CodeBadVersion:                   "BadVersion",
	CodeNoChildrenForEphemerals:      "NoChildrenForEphemerals",
	CodeNodeExists:                   "NodeExists",
	CodeNotEmpty:                     "NotEmpty",
	CodeSessionExpired:               "SessionExpired",
	CodeInvalidCallback:              "InvalidCallback",
	CodeInvalidACL:                   "InvalidACL",
	CodeAuthFailed:                   "AuthFailed",
	CodeSessionMoved:                 "SessionMoved",
	CodeNotReadOnly:                  "NotReadOnly",
	CodeEphemeralOnLocalSession:      "EphemeralOnLocalSession",
	CodeNoWatcher:                    "NoWatcher",
	CodeRequestTimeout:               "RequestTimeout",
	CodeReconfigDisabled:             "ReconfigDisabled",
	CodeSessionClosedRequireSASLAuth: "SessionClosedRequireSaslAuth",
	CodeQuotaExceeded:                "QuotaExceeded",
	CodeThrottledOp:                  "ThrottledOp",
}
