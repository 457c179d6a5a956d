package expr

import (
	"strings"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
)

// numFormat is a to_char or to_number template for numbers.
type numFormat struct {
	nodes []numNode
	pre   int // digits before the point
	post  int // digits behind it
	multi int // digits behind V
	// zeroStart is one more than the place of the first 0 before the point, 0 when
	// there is none; zeroEnd is behind the last 0.
	zeroStart, zeroEnd int

	point, fm, bracket, minus, plus, sign, v, exp, roman, blank bool

	signBehind bool // the sign of S stands behind the digits
	signAt     int  // the digits before an S
}

// numNode is a keyword in upper case, or a character of text.
type numNode struct {
	key  string
	text string // the keyword as written
}

// numKeys are the keywords, in PostgreSQL's order: the first that fits is it.
var numKeys = []string{",", ".", "0", "9", "B", "C", "D", "EEEE", "FM", "G", "L", "MI", "PL", "PR", "RN", "SG", "SP", "S", "TH", "V"}

func numKey(f string) string {
	for _, k := range numKeys {
		if strings.HasPrefix(f, k) || strings.HasPrefix(f, strings.ToLower(k)) {
			return k
		}
	}
	return ""
}

// maxNumFormat is the longest template: the time of to_char grows with its square.
const maxNumFormat = 16 << 10

// parseNumFormat reads a template; 42601 for keywords that do not go together,
// 54000 for one that is too long.
func parseNumFormat(f string) (*numFormat, error) {
	if len(f) > maxNumFormat {
		return nil, errTooLong()
	}
	n := &numFormat{}
	quoted := false
	for f != "" {
		if k := numKey(f); k != "" && !quoted {
			n.nodes = append(n.nodes, numNode{k, f[:len(k)]})
			if err := n.add(k); err != nil {
				return nil, err
			}
			f = f[len(k):]
			continue
		}
		switch {
		case f[0] == '"':
			quoted, f = !quoted, f[1:]
			continue
		case f[0] == '\\' && len(f) > 1 && (quoted || f[1] == '"'):
			f = f[1:]
		}
		_, size := utf8.DecodeRuneInString(f)
		n.nodes = append(n.nodes, numNode{text: f[:size]})
		f = f[size:]
	}
	return n, nil
}

// add notes what a keyword means for the whole.
func (n *numFormat) add(key string) error {
	bad := func(message string) error { return fqgw.Errorf(fqgw.CodeSyntax, "%s", message) }
	if n.exp && key != "EEEE" {
		return bad(`"EEEE" must be the last pattern used`)
	}
	switch key {
	case "9", "0":
		if n.bracket {
			return bad(`"` + key + `" must be ahead of "PR"`)
		}
		if key == "9" && n.v {
			n.multi++
			break
		}
		if key == "0" && n.zeroStart == 0 && !n.point {
			n.zeroStart = n.pre + 1
		}
		if n.point {
			n.post++
		} else {
			n.pre++
		}
		if key == "0" {
			n.zeroEnd = n.pre + n.post
		}
	case "B":
		n.blank = n.blank || n.pre == 0 && n.post == 0
	case ".", "D":
		if n.point {
			return bad("multiple decimal points")
		}
		if n.v {
			return bad(`cannot use "V" and decimal point together`)
		}
		n.point = true
	case "FM":
		n.fm = true
	case "S":
		switch {
		case n.sign:
			return bad(`cannot use "S" twice`)
		case n.plus || n.minus || n.bracket:
			return bad(`cannot use "S" and "PL"/"MI"/"SG"/"PR" together`)
		}
		n.sign, n.signBehind, n.signAt = true, n.point, n.pre
	case "MI", "PL", "SG":
		if n.sign {
			return bad(`cannot use "S" and "` + key + `" together`)
		}
		n.minus, n.plus = n.minus || key != "PL", n.plus || key != "MI"
	case "PR":
		if n.sign || n.plus || n.minus {
			return bad(`cannot use "PR" and "S"/"PL"/"MI"/"SG" together`)
		}
		n.bracket = true
	case "RN":
		n.roman = true
	case "V":
		if n.point {
			return bad(`cannot use "V" and decimal point together`)
		}
		n.v = true
	case "EEEE":
		switch {
		case n.exp:
			return bad(`cannot use "EEEE" twice`)
		case n.blank || n.fm || n.sign || n.bracket || n.minus || n.plus || n.roman || n.v:
			return fqgw.Errorf(fqgw.CodeSyntax, `"EEEE" is incompatible with other formats`).
				WithDetail(`"EEEE" may only be used together with digit and decimal point patterns.`)
		}
		n.exp = true
	}
	return nil
}

// numWriter lays the digits of a number into a template, slot by slot.
type numWriter struct {
	*numFormat
	number   string // its digits, with the point, without a sign
	negative bool
	spaces   int // the slots before the first digit
	last     int // with FM: the last character of number that shows; -1 when all do

	out      strings.Builder
	at       int  // in number
	slot     int  // slots that were passed
	inNumber bool // the last slot showed a digit
	signed   bool // the sign was written, or is none
	slots    int
}

// lay is the number in the template; 22P02 when TH stands behind what is none.
func (n *numFormat) lay(number string, negative bool) (string, error) {
	w := &numWriter{numFormat: n, number: number, negative: negative, last: -1, slots: n.post + n.pre - 1}
	whole := strings.IndexByte(number, '.')
	if whole < 0 {
		whole = len(number)
	}
	if !n.roman {
		w.spaces = max(n.pre-whole, 0)
		if whole > n.pre {
			w.number = strings.Repeat("#", n.pre) + "." + strings.Repeat("#", n.post)
		}
	}
	bracket, behind := n.bracket, n.signBehind
	switch {
	case n.plus || n.minus:
		w.signed = n.minus
	default:
		bracket = bracket && (negative || !n.fm)
		w.signed = !negative && n.fm && !n.sign
		behind = behind || n.pre == n.signAt
	}
	if n.fm && n.point {
		w.last = w.lastShown()
	}
	if !w.signed && w.spaces == 0 {
		w.slots++
	}
	for _, node := range n.nodes {
		if node.key == "TH" && w.ordinal() && !isDigit(w.number[len(w.number)-1]) {
			return "", fqgw.Errorf(fqgw.CodeInvalidText, "\"%s\" is not a number", w.number)
		}
		w.node(node, bracket, behind)
	}
	// Behind the digits PostgreSQL writes the end of its string, and what comes then is not seen.
	out, _, _ := strings.Cut(w.out.String(), "\x00")
	return out, nil
}

// ordinal says whether TH shows.
func (w *numWriter) ordinal() bool {
	return !w.roman && !strings.HasPrefix(w.number, "#") && !w.negative && !w.point
}

// lastShown is the last character that FM leaves: no zeros at the end, but those
// for which the template has a 0.
func (w *numWriter) lastShown() int {
	last := strings.IndexByte(w.number, '.')
	if last < 0 {
		return -1
	}
	for i := last + 1; i < len(w.number); i++ {
		if w.number[i] != '0' {
			last = i
		}
	}
	if w.zeroEnd > w.spaces {
		last = max(last, min(len(w.number)-1, w.zeroEnd-w.spaces))
	}
	return last
}

// pointLast: FM leaves nothing behind the point.
func (w *numWriter) pointLast() bool { return w.last >= 0 && w.number[w.last] == '.' }

// current is the next character of the number, 0 at its end.
func (w *numWriter) current() byte {
	if w.at < len(w.number) {
		return w.number[w.at]
	}
	return 0
}

// hiddenZero: the 0 before a point is not shown where the template has no 0.
func (w *numWriter) hiddenZero() bool {
	return w.zeroStart == 0 && w.at == 0 && w.current() == '0' && w.post != 0
}

func (w *numWriter) node(n numNode, bracket, behind bool) {
	pad := func(c byte, shown bool) {
		if shown {
			w.out.WriteByte(c)
		} else if !w.fm {
			w.out.WriteByte(' ')
		}
	}
	switch n.key {
	case "":
		w.out.WriteString(n.text)
	case "9", "0", ".", "D":
		if !w.roman {
			w.digit(n.key, bracket, behind)
		}
	case ",", "G":
		pad(',', w.inNumber)
	case "L":
		w.out.WriteByte(' ')
	case "RN":
		s := w.number
		if n.text == "rn" {
			s = strings.ToLower(s)
		}
		if !w.fm {
			s = strings.Repeat(" ", max(15-len(s), 0)) + s
		}
		w.out.WriteString(s)
	case "TH":
		if w.ordinal() {
			w.out.WriteString(ordinal(w.number, n.text[0]))
		}
	case "MI":
		pad('-', w.negative && !w.roman)
	case "PL":
		pad('+', !w.negative && !w.roman)
	case "SG":
		if w.roman {
			w.out.WriteByte(0)
		} else {
			w.out.WriteByte("+-"[boolInt(w.negative)])
		}
	}
}

// digit fills one slot: a 9, a 0 or the point.
func (w *numWriter) digit(key string, bracket, behind bool) {
	w.inNumber = false
	zero := w.zeroStart > 0 && w.zeroStart-1 <= w.slot
	if !w.signed && (w.slot >= w.spaces || w.zeroStart > 0 && w.zeroStart-1 == w.slot) && (!w.hiddenZero() || w.pointLast()) {
		w.writeSign(bracket, behind)
	}
	switch {
	case w.slot < w.spaces && !zero:
		if !w.fm {
			w.out.WriteByte(' ')
		}
	case w.slot < w.spaces:
		w.out.WriteByte('0')
		w.inNumber = true
	default:
		c := w.current()
		switch {
		case c == '.':
			w.out.WriteByte('.')
		case w.last >= 0 && w.at > w.last && key != "0": // FM leaves it out
		case w.hiddenZero():
			if !w.fm {
				w.out.WriteByte(' ')
			} else if w.pointLast() {
				w.out.WriteByte('0')
			}
		default:
			w.out.WriteByte(c)
			w.inNumber = true
		}
		if c != 0 {
			w.at++
		}
	}
	end := w.slots + boolInt(w.spaces > 0) + boolInt(w.point)
	if w.last >= 0 && w.last == w.at {
		end = w.slot
	}
	if w.slot+1 == end {
		switch {
		case w.signed && bracket:
			w.out.WriteByte(" >"[boolInt(w.negative)])
		case w.sign && behind:
			w.out.WriteByte("+-"[boolInt(w.negative)])
		}
	}
	w.slot++
}

func (w *numWriter) writeSign(bracket, behind bool) {
	switch {
	case w.sign:
		if behind {
			return
		}
		w.out.WriteByte("+-"[boolInt(w.negative)])
	case bracket:
		w.out.WriteByte(" <"[boolInt(w.negative)])
	case w.negative:
		w.out.WriteByte('-')
	case !w.fm:
		w.out.WriteByte(' ')
	}
	w.signed = true
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
