package guc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// detail is an error that is shown as PostgreSQL's DETAIL, a sentence.
type detail string

func (d detail) Error() string { return string(d) }

// errNoReason refuses a value of which there is no more to say.
var errNoReason = errors.New("invalid value")

// checks read the values that have a form of their own; now is the current
// value. An error is the detail of "invalid value for parameter".
var checks = map[string]func(value, now string) (string, error){
	"client_encoding":             checkEncoding,
	"datestyle":                   checkDateStyle,
	"default_table_access_method": checkAccessMethod,
	"lc_messages":                 checkMessages,
	"lc_monetary":                 checkLocale,
	"lc_numeric":                  checkLocale,
	"lc_time":                     checkLocale,
	"timezone":                    checkZone,
	"default_text_search_config":  checkTextSearch,
	"default_tablespace":          checkTablespace,
	"temp_tablespaces":            checkTempTablespaces,
}

func checkZone(v, _ string) (string, error) {
	loc, why := expr.SessionZone(v)
	switch {
	case loc != nil && strings.EqualFold(loc.String(), v) && time.UnixMicro(0).In(loc).Second() != 0:
		return "", fqgw.Errorf(fqgw.CodeInvalidParameter, "time zone \"%s\" appears to use leap seconds", v).WithDetail("PostgreSQL does not support leap seconds.")
	case loc != nil:
		return loc.String(), nil
	case why != "":
		return "", detail(why)
	}
	return "", errNoReason
}

// encodings are PostgreSQL's names of those that it could convert to UTF8.
var encodings = strings.Fields("EUC_JP EUC_CN EUC_KR EUC_TW EUC_JIS_2004 LATIN1 LATIN2 LATIN3 LATIN4 LATIN5 LATIN6 LATIN7 LATIN8 LATIN9 LATIN10 " +
	"WIN1256 WIN1258 WIN866 WIN874 KOI8R WIN1251 WIN1252 ISO_8859_5 ISO_8859_6 ISO_8859_7 ISO_8859_8 WIN1250 WIN1253 WIN1254 WIN1255 WIN1257 KOI8U " +
	"SJIS BIG5 GBK UHC GB18030 JOHAB SHIFT_JIS_2004 MULE_INTERNAL")

func checkEncoding(v, _ string) (string, error) {
	clean := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, strings.ToLower(s))
	}
	switch name := clean(v); name {
	case "utf8", "unicode":
		return "UTF8", nil
	case "sqlascii": // the bytes as they are
		return "SQL_ASCII", nil
	default:
		for _, e := range encodings {
			if known := clean(e); name == known || name == strings.Replace(known, "win", "windows", 1) || name == strings.Replace(known, "latin", "iso8859", 1) {
				return "", fqgw.Errorf(fqgw.CodeFeatureNotSupported, "invalid value for parameter \"client_encoding\": \"%s\"", v).
					WithDetail("Conversion between %s and UTF8 is not supported.", e)
			}
		}
	}
	return "", errNoReason
}

// checkDateStyle amends the current style by the words of v, as PostgreSQL does:
// each says the style or the order of day, month and year.
func checkDateStyle(v, now string) (string, error) {
	style, order, _ := strings.Cut(now, ", ")
	gotStyle, gotOrder := "", ""
	if strings.TrimSpace(v) == "" {
		return now, nil
	}
	for _, word := range strings.Split(v, ",") {
		word = strings.Trim(strings.TrimSpace(word), `"`)
		low := strings.ToLower(word)
		s, o := "", ""
		switch {
		case low == "iso" || low == "sql":
			s = strings.ToUpper(low)
		case strings.HasPrefix(low, "postgres"):
			s = "Postgres"
		case low == "german":
			s = "German"
			if gotOrder == "" {
				order = "DMY"
			}
		case low == "ymd":
			o = "YMD"
		case low == "dmy" || strings.HasPrefix(low, "euro"):
			o = "DMY"
		case low == "mdy" || low == "us" || strings.HasPrefix(low, "noneuro"):
			o = "MDY"
		case low == "default":
			if gotStyle == "" {
				style = "ISO"
			}
			if gotOrder == "" {
				order = "MDY"
			}
		default:
			return "", detail(fmt.Sprintf("Unrecognized key word: \"%s\".", word))
		}
		if s != "" && gotStyle != "" && s != gotStyle || o != "" && gotOrder != "" && o != gotOrder {
			return "", detail(`Conflicting "datestyle" specifications.`)
		}
		if s != "" {
			style, gotStyle = s, s
		}
		if o != "" {
			order, gotOrder = o, o
		}
	}
	return style + ", " + order, nil
}

// checkLocale takes what means that texts are English and numbers plain.
func checkLocale(v, _ string) (string, error) {
	if slices.Contains([]string{"", "C", "POSIX", "C.UTF-8", "C.utf8"}, v) {
		return v, nil
	}
	return "", errNoReason
}

func checkMessages(v, now string) (string, error) {
	if v == "" {
		return "", errNoReason
	}
	return checkLocale(v, now)
}

func checkAccessMethod(v, _ string) (string, error) {
	switch v {
	case "heap":
		return v, nil
	case "":
		return "", detail("default_table_access_method cannot be empty.")
	}
	return "", detail(fmt.Sprintf(`Table access method "%s" does not exist.`, v))
}

func checkTextSearch(v, _ string) (string, error) {
	name := strings.TrimPrefix(v, "pg_catalog.")
	if name == "simple" || name == "english" {
		return "pg_catalog." + name, nil
	}
	return "", errNoReason
}

func checkTablespace(v, _ string) (string, error) {
	if v == "" || v == "pg_default" {
		return v, nil
	}
	return "", detail(fmt.Sprintf(`Tablespace "%s" does not exist.`, v))
}

func checkTempTablespaces(v, _ string) (string, error) {
	for _, name := range strings.Split(v, ",") {
		if name = strings.Trim(strings.TrimSpace(name), `"`); name != "" && name != "pg_default" {
			return "", fqgw.Errorf(fqgw.CodeUndefinedObject, "tablespace \"%s\" does not exist", name)
		}
	}
	return v, nil
}

// Style is how values are written and read under these settings.
func Style(dateStyle, intervalStyle, byteaOutput, extraFloatDigits string) fqgw.Style {
	var out fqgw.Style
	style, order, _ := strings.Cut(dateStyle, ", ")
	out.Dates = map[string]fqgw.DateStyle{"Postgres": fqgw.DatesPostgres, "SQL": fqgw.DatesSQL, "German": fqgw.DatesGerman}[style]
	out.Order = map[string]fqgw.DateOrder{"DMY": fqgw.DMY, "YMD": fqgw.YMD}[order]
	out.Spans = map[string]fqgw.SpanStyle{"postgres_verbose": fqgw.SpansVerbose, "sql_standard": fqgw.SpansSQL, "iso_8601": fqgw.SpansISO}[intervalStyle]
	out.EscapedBytes = byteaOutput == "escape"
	if n, err := number(extraFloatDigits); err == nil && n < 1 {
		out.LessDigits = uint8(1 - n)
	}
	return out
}
