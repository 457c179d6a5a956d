package app

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
)

// step is one directive. A script is a *.test file: directives with their
// statements, separated by blank lines. CONTRIBUTING.md describes the language.
//
//	clock TIME                the set clock's start; before anything else
//	at TIME                   move the clock forward to TIME
//	sync                      wait until all that was produced is applied and landed
//	statement ok              the statement below must succeed
//	statement error CODE [RE] it must fail with that SQLSTATE; its message, detail
//	                          or hint must match
//	query                     its rows must be those below ----, columns joined by |
//	query sorted              the same, in any order
//	query contains            every line below ---- must be among the rows
//	both                      as query, online and AS OF the same time: the rows must agree
//	notice RE                 the statement before sent a notice that matches
//	notice none               it sent none
//	produce TOPIC [partition N] [at TIME]
//	                          each line below is the payload of a record, raw:
//	                          (empty) is a record without one
//	file NAME                 the lines below are the file of that name in data/files
type step struct {
	line     int
	verb     string
	args     []string
	sql      string
	expected []string
}

// mode is the word behind query, both or statement.
func (s *step) mode() string {
	if len(s.args) == 0 {
		return ""
	}
	return s.args[0]
}

var verbs = []string{"clock", "at", "sync", "statement", "query", "both", "notice", "produce", "file"}

// parseScript reads the directives of a file.
func parseScript(file, text string) ([]step, error) {
	var steps []step
	sc := bufio.NewScanner(strings.NewReader(text))
	sc.Buffer(nil, 16<<20)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		s := step{line: n, verb: words[0], args: words[1:]}
		if !slices.Contains(verbs, s.verb) {
			return nil, fmt.Errorf("%s:%d: unknown directive %q", file, n, s.verb)
		}
		if known := modes[s.verb]; known != nil && !slices.Contains(known, s.mode()) {
			return nil, fmt.Errorf("%s:%d: unknown directive %q", file, n, s.verb+" "+s.mode())
		}
		if slices.Contains([]string{"statement", "query", "both", "produce", "file"}, s.verb) {
			var rows []string
			inRows := false
			for sc.Scan() {
				n++
				l := sc.Text()
				if strings.TrimSpace(l) == "" {
					break
				}
				if l == "----" {
					inRows = true
					continue
				}
				if inRows {
					rows = append(rows, l)
				} else {
					s.sql += l + "\n"
				}
			}
			s.expected = rows
		}
		steps = append(steps, s)
	}
	return steps, sc.Err()
}

// modes are what a verb's first word may be.
var modes = map[string][]string{"statement": {"ok", "error"}, "query": {"", "sorted", "contains", "error"}, "both": {"", "sorted", "contains", "error"}}

// rewriteScript puts the rows that came in the place of those expected.
func rewriteScript(file, text string, steps []step) error {
	lines := strings.Split(text, "\n")
	var out []string
	at := 0
	for i := range steps {
		s := &steps[i]
		if s.verb != "query" && s.verb != "both" || s.mode() == "error" || s.mode() == "contains" {
			continue
		}
		for at < len(lines) && !(at >= s.line && lines[at] == "----") && !(at >= s.line && strings.TrimSpace(lines[at]) == "") {
			out = append(out, lines[at])
			at++
		}
		out = append(out, "----")
		out = append(out, s.expected...)
		for at < len(lines) && strings.TrimSpace(lines[at]) != "" {
			at++
		}
	}
	out = append(out, lines[at:]...)
	return os.WriteFile(file, []byte(strings.Join(out, "\n")), 0o644)
}
