package images

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// keyring holds the keys of the Debian archive (package
// debian-archive-keyring). Packages signed by none of them are refused.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// archive is where one host, if it says nothing else, gets Debian from.
const archive = "http://deb.debian.org/debian"

// aptSource is one suite of one archive.
type aptSource struct{ uri, suite string }

// sources are the sources.list(5) lines of a Debian release: the release, its
// updates and its security updates, main only. With a mirror they come from
// there, security updates from the same URI with `-security` at its end, as
// deb.debian.org has it. Without one they come from where the host gets that
// very release, if it does, and else from deb.debian.org. Other repositories of
// the host have no part in a guest.
func sources(suite, mirror string, host []aptSource) []string {
	var lines []string
	for _, part := range []struct{ suite, tail string }{
		{suite, ""}, {suite + "-updates", ""}, {suite + "-security", "-security"},
	} {
		uri := archive + part.tail
		if i := slices.IndexFunc(host, func(s aptSource) bool { return s.suite == part.suite }); i >= 0 {
			uri = host[i].uri
		}
		if mirror != "" {
			uri = strings.TrimRight(mirror, "/") + part.tail
		}
		lines = append(lines, fmt.Sprintf("deb [signed-by=%s] %s %s main", keyring, uri, part.suite))
	}
	return lines
}

// hostSources reads where the host gets packages from, in both formats of
// sources.list(5). It understands what it needs: type deb, http or https, a
// component main.
func hostSources(etcApt string) ([]aptSource, error) {
	files, err := filepath.Glob(filepath.Join(etcApt, "sources.list.d", "*"))
	if err != nil {
		return nil, err
	}
	var all []aptSource
	for _, name := range append([]string{filepath.Join(etcApt, "sources.list")}, files...) {
		data, err := os.ReadFile(name)
		switch {
		case err != nil && ignoreGone(err) == nil:
		case err != nil:
			return nil, err
		case strings.HasSuffix(name, ".list"):
			all = append(all, oneLine(string(data))...)
		case strings.HasSuffix(name, ".sources"):
			all = append(all, deb822(string(data))...)
		}
	}
	return all, nil
}

// oneLine reads `deb [OPTIONS] URI SUITE COMPONENT...`.
func oneLine(text string) []aptSource {
	var all []aptSource
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if before, rest, found := strings.Cut(line, "["); found {
			_, after, _ := strings.Cut(rest, "]")
			line = before + after
		}
		f := strings.Fields(line)
		if len(f) > 3 && f[0] == "deb" {
			all = append(all, usable(f[1:2], f[2:3], f[3:])...)
		}
	}
	return all
}

// deb822 reads paragraphs of `Key: values`.
func deb822(text string) []aptSource {
	var all []aptSource
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		fields := map[string][]string{}
		key := ""
		for line := range strings.Lines(paragraph) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			value := line
			if line[0] != ' ' && line[0] != '\t' {
				key, value, _ = strings.Cut(line, ":")
				key = strings.ToLower(key)
			}
			fields[key] = append(fields[key], strings.Fields(value)...)
		}
		if slices.Contains(fields["types"], "deb") && !slices.Contains(fields["enabled"], "no") {
			all = append(all, usable(fields["uris"], fields["suites"], fields["components"])...)
		}
	}
	return all
}

func usable(uris, suites, components []string) []aptSource {
	var all []aptSource
	if !slices.Contains(components, "main") {
		return nil
	}
	for _, uri := range uris {
		if !strings.HasPrefix(uri, "http://") && !strings.HasPrefix(uri, "https://") {
			continue
		}
		for _, suite := range suites {
			all = append(all, aptSource{strings.TrimRight(uri, "/"), suite})
		}
	}
	return all
}
