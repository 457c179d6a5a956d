package fqgw

// Difference is what is different between two definitions of a feature view.
type Difference struct {
	Same    bool // they say the same
	Rebuild bool // the states are others: they are made anew from history (SEMANTICS §4.2)
	// Why is what is different, in words; where Rebuild is true, why it is.
	Why []string
	// Order is how the states that both definitions have keep the slots of the newer
	// one; "": as it is written, or Rebuild is true. It is the object's property "order".
	Order string
}
