module github.com/dolthub/jsonpath

go 1.26.0
