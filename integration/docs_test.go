package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadme runs the commands of the README, in order, with the document of
// the README, as its reader would.
func TestReadme(t *testing.T) {
	w := newWorld(t, "embed")
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	documents := blocks(string(readme), "yaml")
	if len(documents) != 1 {
		t.Fatalf("the README has %d documents, want one", len(documents))
	}
	w.write("provider.yaml", documents[0])
	ssh := filepath.Join(w.root, ".ssh")
	if err := os.Mkdir(ssh, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(ssh, "id_ed25519.pub"), []byte(w.publicKey()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, block := range blocks(string(readme), "sh") {
		for line := range strings.Lines(block) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), "  #")
			if !strings.HasPrefix(line, "ispctl ") {
				continue // make and bin/ispctl demo: TestDemo
			}
			if strings.HasPrefix(line, "ispctl init") {
				line += " --hypervisor embed --netns " + w.provider // the reader's own host, here
			}
			cmd := exec.Command("sh", "-c", line)
			cmd.Dir = w.root
			cmd.Env = append(os.Environ(), "HOME="+w.root, "ISPCTL_ROOT="+w.root, "ISPCTL_CACHE="+cacheDir(),
				"PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			want := 0
			if strings.HasPrefix(line, "ispctl diff") {
				want = 10
			}
			if code := cmd.ProcessState.ExitCode(); code != want {
				t.Fatalf("%s: exit %d, want %d: %v\n%s", line, code, want, err, out)
			}
			ran++
		}
	}
	if ran < 6 {
		t.Errorf("only %d commands were run", ran)
	}
	if vm := w.vm("web1"); vm.State != "running" {
		t.Errorf("web1 is %s", vm.State)
	}
}

// TestDocsNameWhatIsThere looks up every path and every command that the docs
// mention in code.
func TestDocsNameWhatIsThere(t *testing.T) {
	docs, err := filepath.Glob("../docs/*.md")
	if err != nil || len(docs) == 0 {
		t.Fatalf("no docs: %v", err)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	command := regexp.MustCompile("`ispctl ([a-z]+)(?: ([a-z]+))?")
	for _, doc := range append(docs, "../README.md") {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", doc, m[1], err)
			}
		}
		for _, m := range command.FindAllStringSubmatch(string(text), -1) {
			args := []string{m[1]}
			if m[2] != "" {
				args = append(args, m[2])
			}
			if out, err := exec.Command(program, append(args, "--help")...).CombinedOutput(); err != nil || !strings.Contains(string(out), "ispctl "+strings.Join(args, " ")) {
				t.Errorf("%s mentions `ispctl %s`: %v", doc, strings.Join(args, " "), err)
			}
		}
	}
}

// blocks are the fenced blocks of a language.
func blocks(text, language string) []string {
	var all []string
	for {
		_, rest, found := strings.Cut(text, "```"+language+"\n")
		if !found {
			return all
		}
		block, after, _ := strings.Cut(rest, "```")
		all = append(all, block)
		text = after
	}
}
