package vm_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/vm"
)

// TestAgentExec wants each argument where it was put, and nothing else said.
func TestAgentExec(t *testing.T) {
	argv := []string{"/bin/echo", "$(touch /pwned)", `"},{"execute":"guest-shutdown"`, "two\nlines", "", "-n", "é\U0001f600", "\x00\x1b"}
	stdin := "root:\xff\x00'\n"
	text, err := vm.AgentExec(argv, []byte(stdin))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Execute   string
		Arguments struct {
			Path   string
			Arg    []string
			Env    []string
			Input  string `json:"input-data"`
			Output bool   `json:"capture-output"`
		}
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil || d.More() || strings.ContainsAny(text, "\n\r") {
		t.Fatalf("%v: %s", err, text)
	}
	if diff := cmp.Diff(argv, append([]string{got.Arguments.Path}, got.Arguments.Arg...)); diff != "" || got.Execute != "guest-exec" || !got.Arguments.Output {
		t.Errorf("%s\n%s", text, diff)
	}
	if in, err := base64.StdEncoding.DecodeString(got.Arguments.Input); err != nil || string(in) != stdin {
		t.Errorf("standard input %q, %v", in, err)
	}
	for _, wrong := range []struct {
		argv  []string
		stdin []byte
	}{{nil, nil}, {[]string{""}, nil}, {[]string{"true"}, make([]byte, vm.MaxAgentInput+1)}} {
		if text, err := vm.AgentExec(wrong.argv, wrong.stdin); ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%v: %.100s, %v", wrong.argv, text, err)
		}
	}
}

func TestAgentAnswers(t *testing.T) {
	for answer, want := range map[string]int64{
		`{"return":{"pid":7}}`: 7,
		`{"return":{"pid":0}}`: 0, `{"return":{"pid":-1}}`: 0, `{"return":{"pid":1e99}}`: 0, `{"return":{"pid":"7"}}`: 0, `{"return":[]}`: 0, `{"return":{}}`: 0,
		`{}`: 0, `null`: 0, ``: 0, `[`: 0, `{"return":null}`: 0, "\x00": 0,
	} {
		if pid, err := vm.AgentStarted(answer); pid != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", answer, pid, err)
		}
	}
	for answer, want := range map[string]*ispctl.Outcome{
		`{"return":{"exited":true,"exitcode":3,"out-data":"aGk=","err-data":"/w==","out-truncated":true}}`: {Code: 3, Stdout: []byte("hi"), Stderr: []byte{0xff}, Cut: true},
		`{"return":{"exited":true,"signal":9}}`:     {Code: 137},
		`{"return":{"exited":true}}`:                {},
		`{"return":{"exited":true,"exitcode":-1}}`:  nil,
		`{"return":{"exited":true,"exitcode":256}}`: nil,
		`{"return":{"exited":true,"signal":-9}}`:    nil,
		`{"return":{"exited":true,"signal":999}}`:   nil,
		`{"return":{"exited":true,"out-data":"!"}}`: nil,
		`{"return":{"exited":"yes"}}`:               nil,
		`{"return":[{"exited":true}]}`:              nil,
		`{"return":null}`:                           nil, `{}`: nil, ``: nil, `{"return":{"exited":true}`: nil,
	} {
		o, ended, err := vm.AgentOutcome(answer)
		switch {
		case want == nil && (err == nil || ended):
			t.Errorf("%s: %+v, %t, no error", answer, o, ended)
		case want != nil:
			if diff := cmp.Diff(*want, o); diff != "" || err != nil || !ended {
				t.Errorf("%s: %t, %v\n%s", answer, ended, err, diff)
			}
		}
	}
	if _, ended, err := vm.AgentOutcome(`{"return":{"exited":false}}`); ended || err != nil {
		t.Errorf("one that runs: %t, %v", ended, err)
	}
}

// FuzzAgentOutcome wants an exit status that a process can have, or an error.
func FuzzAgentOutcome(f *testing.F) {
	f.Add(`{"return":{"exited":true,"exitcode":3,"out-data":"aGk="}}`)
	f.Add(`{"return":{"exited":true,"signal":9}}`)
	f.Fuzz(func(t *testing.T, answer string) {
		o, ended, err := vm.AgentOutcome(answer)
		if o.Code < 0 || o.Code > 255 || ended && err != nil {
			t.Errorf("%+v, %t, %v", o, ended, err)
		}
	})
}
