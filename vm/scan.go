package vm

import (
	"encoding/xml"
	"strings"
)

// scan walks a document in the plain XML that libvirt prints: elements, quoted
// attributes and text, all of it ASCII without references. It reports false
// for whatever else there is in XML, or is none; then what it has walked counts
// for nothing. It takes a fifth of the time that encoding/xml takes, and there
// is one document per guest in every pass.
func scan(text string, r *reader) bool {
	var attrs []xml.Attr
	var open []string
	for {
		before, rest, more := strings.Cut(text, "<")
		if !plain(before) {
			return false
		}
		r.text = append(r.text, before...)
		if !more {
			return len(open) == 0
		}
		tag, after, closed := strings.Cut(rest, ">")
		if !closed {
			return false
		}
		text = after
		if name, end := strings.CutPrefix(tag, "/"); end {
			if len(open) == 0 || open[len(open)-1] != name {
				return false
			}
			open = open[:len(open)-1]
			r.leave()
			continue
		}
		tag, empty := strings.CutSuffix(tag, "/")
		name, tail, _ := cutSpace(tag)
		element := xml.StartElement{}
		var ok bool
		if element.Name, ok = rawName(name); !ok {
			return false
		}
		if attrs, ok = scanAttrs(tail, attrs[:0]); !ok {
			return false
		}
		element.Attr = attrs
		r.enter(element)
		if empty {
			r.leave()
		} else {
			open = append(open, name)
		}
	}
}

// scanAttrs reads ` name='value' other="value"`. A value with a `>` ends the tag
// too early for its quote to be closed, and so is none of the plain ones.
func scanAttrs(text string, attrs []xml.Attr) ([]xml.Attr, bool) {
	for text = strings.TrimLeft(text, " \n\t"); text != ""; {
		name, rest, found := strings.Cut(text, "=")
		if !found || rest == "" || rest[0] != '"' && rest[0] != '\'' {
			return nil, false
		}
		value, after, closed := strings.Cut(rest[1:], rest[:1])
		key, ok := rawName(name)
		if !closed || !ok || !plain(value) {
			return nil, false
		}
		attrs = append(attrs, xml.Attr{Name: key, Value: value})
		text = strings.TrimLeft(after, " \n\t")
		if text != "" && len(text) == len(after) {
			return nil, false // no space before the next
		}
	}
	return attrs, true
}

func cutSpace(s string) (before, after string, found bool) {
	if i := strings.IndexAny(s, " \n\t"); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// rawName is a name as [xml.Decoder.RawToken] gives it, its prefix unresolved.
func rawName(s string) (xml.Name, bool) {
	space, local, prefixed := strings.Cut(s, ":")
	if !prefixed {
		space, local = "", s
	}
	if prefixed && !isName(space) || !isName(local) {
		return xml.Name{}, false
	}
	return xml.Name{Space: space, Local: local}, true
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}

// plain reports whether text stands for itself.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\n' && c != '\t' || c > '~' || c == '&' || c == '<' || c == ']' {
			return false
		}
	}
	return true
}
