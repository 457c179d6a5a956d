package storetest

import "github.com/fqgw/fqgw"

// codeOf is the SQLSTATE of an error, "" for none.
func codeOf(err error) fqgw.Code {
	if err == nil {
		return ""
	}
	return fqgw.AsError(err).Code
}
