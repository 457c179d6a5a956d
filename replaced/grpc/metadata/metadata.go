// Package metadata has the headers of gRPC's calls.
package metadata

import (
	"context"
	"strings"
)

// MD maps a header's name, in lower case, to its values.
type MD map[string][]string

// New makes headers of one value each.
func New(m map[string]string) MD {
	md := MD{}
	for k, v := range m {
		md.Append(k, v)
	}
	return md
}

// Append adds values to a header.
func (md MD) Append(k string, values ...string) {
	k = strings.ToLower(k)
	md[k] = append(md[k], values...)
}

// Get gives the values of a header.
func (md MD) Get(k string) []string { return md[strings.ToLower(k)] }

// Join gives the headers of all.
func Join(mds ...MD) MD {
	out := MD{}
	for _, md := range mds {
		for k, v := range md {
			out.Append(k, v...)
		}
	}
	return out
}

type incoming struct{}

type outgoing struct{}

// FromIncomingContext gives the headers that a call came with.
func FromIncomingContext(ctx context.Context) (MD, bool) {
	md, ok := ctx.Value(incoming{}).(MD)
	return md, ok
}

// AppendToOutgoingContext adds headers, name and value in turn, to those that a
// call will be made with.
func AppendToOutgoingContext(ctx context.Context, kv ...string) context.Context {
	md, _ := ctx.Value(outgoing{}).(MD)
	md = Join(md)
	for i := 0; i+1 < len(kv); i += 2 {
		md.Append(kv[i], kv[i+1])
	}
	return context.WithValue(ctx, outgoing{}, md)
}
