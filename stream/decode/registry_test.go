package decode

import (
	"context"
	"sync"

	"github.com/fqgw/fqgw"
)

// registry is a schema registry of the tests.
type registry struct {
	mu      sync.Mutex
	byID    map[int32]*fqgw.RecordSchema
	latest  map[string]int32
	away    error // what is answered instead
	fetches int
}

func newRegistry() *registry {
	return &registry{byID: map[int32]*fqgw.RecordSchema{}, latest: map[string]int32{}}
}

func (r *registry) Schema(_ context.Context, id int32) (*fqgw.RecordSchema, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fetches++
	if r.away != nil {
		return nil, r.away
	}
	if s := r.byID[id]; s != nil {
		return s, nil
	}
	return nil, fqgw.Errorf(fqgw.CodeUndefinedObject, "the schema registry has no schema %d", id)
}

func (r *registry) Latest(_ context.Context, subject string) (*fqgw.RecordSchema, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.byID[r.latest[subject]]; s != nil {
		return s, nil
	}
	return nil, fqgw.Errorf(fqgw.CodeUndefinedObject, "the schema registry has no subject %q", subject)
}

func (r *registry) Register(_ context.Context, subject string, s fqgw.RecordSchema) (int32, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, old := range r.byID {
		if old.Text == s.Text {
			s.ID = id
		}
	}
	if s.ID == 0 {
		s.ID = int32(len(r.byID)) + 1
	}
	r.byID[s.ID], r.latest[subject] = &s, s.ID
	return s.ID, nil
}

// add registers an Avro schema and returns its id.
func (r *registry) add(text string, refs ...fqgw.SchemaReference) int32 {
	id, _ := r.Register(context.Background(), "", fqgw.RecordSchema{Type: avroSchemas, Text: text, References: refs})
	return id
}
