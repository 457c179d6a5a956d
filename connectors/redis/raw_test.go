package redis

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// TestReply: a reply is taken as it comes, in pieces of any size, and apart again;
// whatever is no array of so many strings and nulls is refused.
func TestReply(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, c := range []struct {
		reply string
		want  []string // nil where it is refused; "-" is null
	}{
		{"*2\r\n$3\r\na\r\n\r\n$-1\r\n", []string{"a\r\n", "-"}},
		{"*1\r\n$0\r\n\r\n", []string{""}},
		{"*2\r\n_\r\n$5000\r\n" + long + "\r\n", []string{"-", long}},
		{"*1\r\n$1\r\nab\r\n", nil},
		{"*1\r\n$5\r\nab\r\n", nil},
		{"*1\r\n$99999999999999999999\r\nab\r\n", nil},
		{"*1\r\n:1\r\n", nil},
		{"*2\r\n$1\r\na\r\n", nil},
		{"*1\r\n$1\r\na\r\n+", nil},
		{"-LOADING Redis is loading the dataset in memory\r\n", nil},
		{"", nil},
	} {
		var r reply
		src := bytes.NewReader([]byte(c.reply))
		for src.Len() > 0 { // as go-redis copies: lines by Write, strings by ReadFrom
			if src.Len()%2 == 0 {
				if _, err := io.CopyN(&r, src, min(7, int64(src.Len()))); err != nil {
					t.Fatal(err)
				}
				continue
			}
			b, _ := src.ReadByte()
			r.Write([]byte{b})
		}
		n := max(len(c.want), 1)
		values := make([][]byte, n)
		if ok := r.values(values); ok != (c.want != nil) {
			t.Errorf("%.40q is taken: %t", c.reply, ok)
			continue
		}
		for i, want := range c.want {
			got := "-"
			if values[i] != nil {
				got = string(values[i])
			}
			if got != want {
				t.Errorf("%.40q: value %d is %.40q, want %.40q", c.reply, i, got, want)
			}
		}
	}
	var r reply
	if n, err := r.ReadFrom(strings.NewReader(long)); n != int64(len(long)) || err != nil || string(r.buf) != long {
		t.Errorf("a reader without an end that is known: %d bytes, %v", n, err)
	}
}
