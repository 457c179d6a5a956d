package fqgw

// Tier says where the entities of a state version are: in the online store, or in the
// lake with a stub in its place (SEMANTICS §6.5).
type Tier struct {
	Leaves          bool  // entities may go to the lake
	Hot, HotBytes   int64 // entities whose states are online, and what they take there, about
	Cold, ColdBytes int64 // those that left, and what their stubs take
	Saved           int64 // bytes that the states of those had more
	Left            int64 // entities that left, in all
	Loaded          int64 // that an event brought back
	Warmed          int64 // that a read brought back
	Looked          int64 // when they were counted, microseconds UTC of the machine's clock
}
