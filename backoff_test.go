package fqgw_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fqgw/fqgw"
)

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fqgw.Backoff{First: time.Second, Most: 5 * time.Second}
		for _, want := range []time.Duration{1, 2, 4, 5, 5} {
			began := time.Now()
			if !b.Wait(t.Context()) || time.Since(began) != want*time.Second {
				t.Errorf("waited %v, not %d s", time.Since(began), want)
			}
		}
		b.Reset()
		began := time.Now()
		b.Wait(t.Context())
		if time.Since(began) != time.Second {
			t.Errorf("after a reset it waited %v", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if b.Wait(ctx) {
			t.Error("a wait did not end with its context")
		}
	})
}
