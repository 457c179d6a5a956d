package regex

import (
	"errors"
	"testing"
)

func TestRefused(t *testing.T) {
	re := CreateRegex(0)
	_, matches := re.Matches(t.Context(), 1, 1)
	_, index := re.IndexOf(t.Context(), 1, 1, false)
	_, _, sub := re.Substring(t.Context(), 1, 1)
	_, repl := re.Replace(t.Context(), "x", 1, 1)
	for _, err := range []error{re.SetRegexString(t.Context(), "a", RegexFlags_None), re.SetMatchString(t.Context(), "a"), matches, index, sub, repl} {
		if !errors.Is(err, ErrNotBuilt) {
			t.Errorf("%v", err)
		}
	}
	if err := re.Close(); err != nil {
		t.Error(err)
	}
}
