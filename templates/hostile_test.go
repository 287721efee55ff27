package templates

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl/internal/testkit"
)

// hostile are values that mean something to who they pass on their way: YAML,
// cloud-init, Jinja, a shell, tar, xargs, printf.
var hostile = []string{
	"x\nruncmd:\n- [touch, /pwned]\n", "\"\nruncmd: [[touch, /pwned]]\n#", "'; touch /pwned; '", "$(touch /pwned)", "`touch /pwned`",
	"*anchor", "&a b", "!!python/object/apply:os.system ['touch /pwned']", "{{ salt }} {% set x = 1 %}", "## template: jinja\n", "#cloud-config\n",
	"#!/bin/sh\ntouch /pwned\n", "\t- a: b", "--- \n... \n", "no", "0o17", "1_000", "52:54:00", "%s%n", "\\\n\\0\\x41", "\u0085\u2028\ufeff\u202e", "\x7f\x1b[2J", "-rf", "--", "",
	"'\"'\"'", "é\U0001f600", " leading and trailing ", "\r\nx", strings.Repeat("a b ", 1000),
}

func hostileTemplate() Template {
	t := Template{Name: "t", Image: "i"}
	for i, h := range hostile {
		t.Steps = append(t.Steps, Step{Run: []string{"/bin/echo", h, h + "2"}}, Step{Script: "#!/bin/sh\n" + h})
		t.Files = append(t.Files, File{Path: fmt.Sprintf("/srv/%d %s", i, "$(id)'\"{{x}}: #"), Content: h})
	}
	return t
}

// TestHostileValuesInCloudInit reads user-data with the library that cloud-init
// reads it with. Each value is where it was put, and nothing else is anywhere.
func TestHostileValuesInCloudInit(t *testing.T) {
	testkit.Need(t, pyYAML)
	tpl := hostileTemplate()
	if err := tpl.complete(); err != nil {
		t.Fatal(err)
	}
	files, err := Seed(tpl, input())
	if err != nil {
		t.Fatal(err)
	}
	load := exec.Command("python3", "-c", "import json,sys,yaml; json.dump(yaml.safe_load(sys.stdin.buffer), sys.stdout)")
	load.Stdin = strings.NewReader(string(files["user-data"]))
	out, err := load.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got struct {
		Files []struct{ Path, Owner, Permissions, Encoding, Content string } `json:"write_files"`
		Run   [][]string                                                     `json:"runcmd"`
	}
	var keys map[string]any
	for _, into := range []any{&got, &keys} {
		if err := json.Unmarshal(out, into); err != nil {
			t.Fatal(err)
		}
	}
	if len(keys) != 8 {
		t.Errorf("%d keys: %.300v", len(keys), keys)
	}
	wantFiles, wantRun := tpl.firstBoot()
	if diff := cmp.Diff(wantRun, got.Run); diff != "" {
		t.Errorf("runcmd (-want +got):\n%s", diff)
	}
	var gotFiles []File
	for _, f := range got.Files {
		if f.Encoding == "b64" {
			text, err := base64.StdEncoding.DecodeString(f.Content)
			if err != nil {
				t.Error(err)
			}
			f.Content = string(text)
		}
		gotFiles = append(gotFiles, File{Path: f.Path, Mode: f.Permissions, Owner: f.Owner, Content: f.Content})
	}
	if diff := cmp.Diff(wantFiles, gotFiles); diff != "" {
		t.Errorf("write_files (-want +got):\n%s", diff)
	}
}

// TestHostileValuesPlain has tar(1) write the files and xargs(1) run the steps,
// as the image micro does.
func TestHostileValuesPlain(t *testing.T) {
	tpl := hostileTemplate()
	tpl.Setup = SetupPlain
	if err := tpl.complete(); err != nil {
		t.Fatal(err)
	}
	files, err := Seed(tpl, input())
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"", "busybox "} {
		dir := t.TempDir()
		put(t, dir, "files.tar", string(files["ispctl/files.tar"]))
		root := filepath.Join(dir, "root")
		if err := os.Mkdir(root, 0o700); err != nil {
			t.Fatal(err)
		}
		testkit.Sh(t, "sh", "-c", tool+"tar -x -f "+dir+"/files.tar -C "+root)
		written, steps := tpl.firstBoot()
		for _, f := range written {
			text, err := os.ReadFile(filepath.Join(root, f.Path))
			if err != nil || string(text) != f.Content {
				t.Errorf("%s%s: %.100q, %v", tool, f.Path, text, err)
			}
		}
		// The programs of the steps are shown, not run.
		for i, s := range steps {
			step := exec.Command("sh", "-c", tool+`xargs -0 sh -c 'printf "%s\n" $#; printf "%s\0" "$@"' step`)
			step.Stdin = strings.NewReader(string(files[fmt.Sprintf("ispctl/steps/%03d", i+1)]))
			out, err := step.Output()
			if want := fmt.Sprintf("%d\n%s\x00", len(s), strings.Join(s, "\x00")); err != nil || string(out) != want {
				t.Errorf("%sstep %d: %.200q, want %.200q (%v)", tool, i, out, want, err)
			}
		}
	}
}
