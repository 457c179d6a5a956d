package stream

import (
	"testing"

	"github.com/fqgw/fqgw"
)

// TestTopicText: the text in the registry outlives the process.
func TestTopicText(t *testing.T) {
	topic := fqgw.Topic{Name: "größe", ID: [16]byte{1, 15: 255}, Partitions: 3, CreateTime: true}
	const golden = "1 größe 010000000000000000000000000000ff 3 true"
	if text := topicText(topic); text != golden {
		t.Errorf("%s", text)
	}
	if got, ok := parseTopic(golden); !ok || got != topic {
		t.Errorf("%+v, %t", got, ok)
	}
	for _, bad := range []string{"", "größe 010000000000000000000000000000ff 3 true", "2 größe 010000000000000000000000000000ff 3 true",
		"1 größe 01 3 true", "1 größe 010000000000000000000000000000ff00 3 true"} {
		if got, ok := parseTopic(bad); ok {
			t.Errorf("%q was read as %+v", bad, got)
		}
	}
}

// TestFrontierText: the text in the registry outlives the process.
func TestFrontierText(t *testing.T) {
	const golden = "1 -5 7 9 -9223372036854775808"
	f := newFrontier(2, 0)
	nothing := f.text()
	for _, bad := range []string{"", "-5 7 9 8", "2 -5 7 9 8", "1 -5 7"} {
		if f.restore(bad); f.text() != nothing {
			t.Errorf("%q was read as %s", bad, f.text())
		}
	}
	if f.restore(golden); f.text() != golden || f.parts[0].base != -5 || f.parts[0].whole != 7 || f.parts[1].base != 9 {
		t.Errorf("%s, %+v", f.text(), f.parts)
	}
}

// TestFollowedText: the text in the registry outlives the process.
func TestFollowedText(t *testing.T) {
	const golden = "1 8234567890123456789 12 true"
	f := followed{snapshot: 8234567890123456789, count: 12, part: true}
	if text := f.text(); text != golden {
		t.Error(text)
	}
	if got, ok := parseFollowed(golden); !ok || got != f {
		t.Errorf("%+v, %t", got, ok)
	}
	for _, bad := range []string{"", "2 8 1 true", "1 8 1", "1 8 1 perhaps", "8 1 true"} {
		if got, ok := parseFollowed(bad); ok {
			t.Errorf("%q was read as %+v", bad, got)
		}
	}
}
