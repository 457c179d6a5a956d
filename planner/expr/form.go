package expr

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
)

// form is the text of a type's values, which means the same in every session.
type form struct {
	read  func(s string) (value, error)
	print func(b []byte, v value) []byte // nil: as all values of their kind are printed
}

// forms are those of the types whose text is not that of their kind of value. The
// commonest types are in plainInput, those that a session has a say in in
// input.parse and AppendText.
var forms = map[uint32]form{
	fqgw.Name.OID:     {func(s string) (value, error) { return fqgw.TextValue(cutName(s)), nil }, nil},
	fqgw.CharType.OID: {func(s string) (value, error) { return fqgw.TextValue(readChar(s)), nil }, printChar},
	fqgw.UUID.OID:     {parseUUID, nil},
	fqgw.Bytea.OID:    {parseBytea, nil},
	fqgw.JSON.OID:     {func(s string) (value, error) { return fqgw.TextValue(s), checkJSON(s) }, nil},
	fqgw.JSONB.OID:    {parseJSONB, nil},
	fqgw.Void.OID:     {func(string) (value, error) { return fqgw.TextValue(""), nil }, nil},
	fqgw.Record.OID: {func(string) (value, error) {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "input of anonymous composite types is not implemented")
	}, nil},
}

// readChar reads a "char": its first byte, or \ooo. The byte 0 is "".
func readChar(s string) string {
	if len(s) == 4 && s[0] == '\\' && isOctal(s[1]) && isOctal(s[2]) && isOctal(s[3]) {
		s = string([]byte{(s[1]-'0')<<6 | (s[2]-'0')<<3 | (s[3] - '0')})
	}
	if s == "" || s[0] == 0 {
		return ""
	}
	return s[:1]
}

// charText prints a "char": what is no character by itself as \ooo.
func charText(s string) string {
	if s == "" || s[0] < 0x80 {
		return s
	}
	return `\` + string([]byte{'0' + s[0]>>6, '0' + s[0]>>3&7, '0' + s[0]&7})
}

func printChar(b []byte, v value) []byte { return append(b, charText(v.Str())...) }

// cutName cuts to the 63 bytes of a name, between characters.
func cutName(s string) string {
	if len(s) <= 63 {
		return s
	}
	n := 63
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func parseUUID(s string) (value, error) {
	body, braced := s, strings.HasPrefix(s, "{")
	if braced {
		if !strings.HasSuffix(s, "}") {
			return fqgw.Null, badText(fqgw.UUID, s)
		}
		body = s[1 : len(s)-1]
	}
	var b [16]byte
	for i := range b {
		if i > 0 && i%2 == 0 {
			body = strings.TrimPrefix(body, "-")
		}
		if len(body) < 2 {
			return fqgw.Null, badText(fqgw.UUID, s)
		}
		if _, err := hex.Decode(b[i:i+1], []byte(body[:2])); err != nil {
			return fqgw.Null, badText(fqgw.UUID, s)
		}
		body = body[2:]
	}
	if body != "" {
		return fqgw.Null, badText(fqgw.UUID, s)
	}
	return fqgw.UUIDValue(b), nil
}

func appendUUID(b []byte, s string) []byte {
	for i, n := range [...]int{4, 2, 2, 2, 6} {
		if i > 0 {
			b = append(b, '-')
		}
		n = min(n, len(s))
		b = hex.AppendEncode(b, []byte(s[:n]))
		s = s[n:]
	}
	return b
}
