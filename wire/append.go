package wire

import "encoding/binary"

// AppendInt appends a 4-byte big-endian integer.
func AppendInt(b []byte, v int32) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(v))
}

// AppendLong appends an 8-byte big-endian integer.
func AppendLong(b []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(v))
}

// AppendBool appends one byte, 1 or 0.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendBuffer appends a length and the bytes of v. Nil is null; an empty slice is not.
func AppendBuffer(b, v []byte) []byte {
	if v == nil {
		return AppendInt(b, -1)
	}
	b = AppendInt(b, int32(len(v)))
	return append(b, v...)
}

// AppendString appends a ustring. It is never null.
func AppendString(b []byte, v string) []byte {
	b = AppendInt(b, int32(len(v)))
	return append(b, v...)
}

// AppendNullableString appends v, or null if v is empty and ok is false.
func AppendNullableString(b []byte, v string, ok bool) []byte {
	if v == "" && !ok {
		return AppendInt(b, -1)
	}
	return AppendString(b, v)
}

// AppendStrings appends a vector of ustrings. Nil is written as an empty vector: no reply and
// no request of the protocol wants a null list of strings, and Java clients hand a null one to
// their users.
func AppendStrings(b []byte, v []string) []byte {
	b = AppendInt(b, int32(len(v)))
	for _, s := range v {
		b = AppendString(b, s)
	}
	return b
}
