// Package json is the standard library's encoding/json under the name of
// goccy/go-json, which has the same interface and takes 20 s of CPU to compile.
package json

import (
	"encoding/json"
	"io"
)

type (
	Decoder            = json.Decoder
	Encoder            = json.Encoder
	Delim              = json.Delim
	Marshaler          = json.Marshaler
	Unmarshaler        = json.Unmarshaler
	UnmarshalTypeError = json.UnmarshalTypeError
	Number             = json.Number
	RawMessage         = json.RawMessage
)

func Marshal(v any) ([]byte, error)        { return json.Marshal(v) }
func Unmarshal(data []byte, v any) error   { return json.Unmarshal(data, v) }
func NewDecoder(r io.Reader) *json.Decoder { return json.NewDecoder(r) }
func NewEncoder(w io.Writer) *json.Encoder { return json.NewEncoder(w) }
