package converge_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/converge"
)

// change is a word: `+x` makes, `-x` removes; what is behind an @ owns it.
type change string

func (c change) Object() string {
	_, object, _ := strings.Cut(string(c), "@")
	return object
}

func (c change) String() string { return string(c) }

func (c change) Kind() converge.Kind {
	if strings.HasPrefix(string(c), "-") {
		return converge.Prune
	}
	return converge.Ensure
}

// words makes changes of a text.
func words(text string) []converge.Change {
	var all []converge.Change
	for w := range strings.FieldsSeq(text) {
		all = append(all, change(w))
	}
	return all
}

// layer has its changes given, and writes what it is asked to apply into a log
// that all layers share.
type layer struct {
	name     string
	pending  string
	observed int
	unread   error            // of Pending
	fails    map[string]error // of Apply, by change
	log      *[]string
}

func (l *layer) Name() string { return l.name }

func (l *layer) Pending(context.Context, *ispctl.Model) (converge.Pending, error) {
	return converge.Pending{Changes: words(l.pending), Observed: l.observed}, l.unread
}

func (l *layer) Apply(_ context.Context, changes []converge.Change) error {
	var errs []error
	for _, c := range changes {
		*l.log = append(*l.log, l.name+" "+c.String())
		errs = append(errs, l.fails[c.String()])
	}
	return errors.Join(errs...)
}

var errBroken = errors.New("broken")

func fault(object string) error { return &converge.Fault{Object: object, Err: errBroken} }

func TestRun(t *testing.T) {
	for _, tt := range []struct {
		name   string
		layers []*layer
		o      converge.Options
		want   []string // done, in order
		errs   string   // what the error says; empty: there is none
	}{
		{
			name: "made in order, removed in reverse",
			layers: []*layer{
				{name: "disks", pending: "+a -z +b"}, {name: "links", pending: "-y"}, {name: "wall"}, {name: "domains", pending: "+c -x -w"},
			},
			want: []string{"disks +a", "disks +b", "domains +c", "domains -x", "domains -w", "links -y", "disks -z"},
		},
		{
			name:   "nothing to do",
			layers: []*layer{{name: "disks"}, {name: "links"}},
		},
		{
			name: "an unreadable layer touches nothing, and all of them are named",
			layers: []*layer{
				{name: "disks", pending: "+a"}, {name: "links", unread: errors.New("links: deaf")}, {name: "domains", pending: "-x", unread: errors.New("domains: dumb")},
			},
			errs: "links: deaf\ndomains: dumb",
		},
		{
			name: "a fault of one object stands in nobody's way",
			layers: []*layer{
				{name: "disks", pending: "+a +b", fails: map[string]error{"+a": fault("vm a")}},
				{name: "domains", pending: "+c -x", fails: map[string]error{"-x": fault("vm x")}},
				{name: "links", pending: "-y"},
			},
			want: []string{"disks +a", "disks +b", "domains +c", "links -y", "domains -x"},
			errs: "vm a: broken\nvm x: broken",
		},
		{
			name: "a fault of one object stands in its own way, there and back",
			layers: []*layer{
				{name: "disks", pending: "+a@a +b@b -x@x -y@y", fails: map[string]error{"+a@a": fault("a")}},
				{name: "links", pending: "+a1@a +b1@b"},
				{name: "domains", pending: "+a2@a +b2@b -x1@x -y1@y", fails: map[string]error{"-x1@x": fault("x")}},
			},
			want: []string{"disks +a@a", "disks +b@b", "links +b1@b", "domains +b2@b", "domains -x1@x", "domains -y1@y", "disks -y@y"},
			errs: "a: broken\nx: broken",
		},
		{
			name: "any other error ends the pass",
			layers: []*layer{
				{name: "disks", pending: "+a", fails: map[string]error{"+a": fault("vm a")}},
				{name: "wall", pending: "+w", fails: map[string]error{"+w": errBroken}},
				{name: "domains", pending: "+c -x"},
			},
			want: []string{"disks +a", "wall +w"},
			errs: "vm a: broken\nbroken",
		},
		{
			name: "an error beside a fault ends the pass",
			layers: []*layer{
				{name: "disks", pending: "+a +b", fails: map[string]error{"+a": fault("vm a"), "+b": errBroken}},
				{name: "domains", pending: "+c"},
			},
			want: []string{"disks +a", "disks +b"},
			errs: "vm a: broken\nbroken",
		},
		{
			name: "no wall goes before its guests",
			layers: []*layer{
				{name: "wall", pending: "-w"},
				{name: "domains", pending: "-x", fails: map[string]error{"-x": errBroken}},
			},
			want: []string{"domains -x"},
			errs: "broken",
		},
		{
			name:   "more than half of a layer",
			layers: []*layer{{name: "links", pending: "+n"}, {name: "domains", pending: "-a -b -c -d", observed: 7}},
			errs:   "layer domains: would remove 4 of its 7 objects; look at `ispctl converge --dry-run`; if that is meant: ispctl converge --yes",
		},
		{
			name:   "more than half, and it is meant",
			layers: []*layer{{name: "domains", pending: "-a -b -c -d", observed: 4}},
			o:      converge.Options{AllowMassPrune: true},
			want:   []string{"domains -a", "domains -b", "domains -c", "domains -d"},
		},
		{
			name:   "half and no more",
			layers: []*layer{{name: "domains", pending: "-a -b -c -d", observed: 8}},
			want:   []string{"domains -a", "domains -b", "domains -c", "domains -d"},
		},
		{
			name:   "all of a few",
			layers: []*layer{{name: "domains", pending: "-a -b -c", observed: 3}},
			want:   []string{"domains -a", "domains -b", "domains -c"},
		},
		{
			name:   "most changes are no removals",
			layers: []*layer{{name: "domains", pending: "+a +b +c +d +e", observed: 5}},
			want:   []string{"domains +a", "domains +b", "domains +c", "domains +d", "domains +e"},
		},
		{
			name:   "a layer that does not count its objects",
			layers: []*layer{{name: "wall", pending: "-a -b -c -d"}},
			want:   []string{"wall -a", "wall -b", "wall -c", "wall -d"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var done []string
			changes, err := converge.Run(t.Context(), with(&done, tt.layers), &ispctl.Model{}, tt.o)
			if diff := cmp.Diff(tt.want, done); diff != "" {
				t.Errorf("done (-want +got):\n%s", diff)
			}
			if text := errorText(err); text != tt.errs {
				t.Errorf("want error %q, have %q", tt.errs, text)
			}
			unread := slices.ContainsFunc(tt.layers, func(l *layer) bool { return l.unread != nil })
			var pending int
			for _, l := range tt.layers {
				pending += len(words(l.pending))
			}
			if unread {
				pending = 0
			}
			if len(changes) != pending {
				t.Errorf("want all %d pending changes, have %v", pending, changes)
			}
		})
	}
}

func with(log *[]string, layers []*layer) []converge.Layer {
	var all []converge.Layer
	for _, l := range layers {
		l.log = log
		all = append(all, l)
	}
	return all
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestMassPruneIsAConflict(t *testing.T) {
	var done []string
	_, err := converge.Run(t.Context(), with(&done, []*layer{{name: "a", pending: "-a -b -c -d", observed: 4}}), &ispctl.Model{}, converge.Options{})
	if ispctl.KindOf(err) != ispctl.Conflict || len(done) > 0 {
		t.Errorf("kind %d, done %v: %v", ispctl.KindOf(err), done, err)
	}
}

// TestChangesAreInTheOrderOfApply holds the dry run to what is then done.
func TestChangesAreInTheOrderOfApply(t *testing.T) {
	var done []string
	layers := with(&done, []*layer{{name: "l", pending: "+a -z"}, {name: "l", pending: "-y +b"}, {name: "l", pending: "+c"}})
	steps, err := converge.Survey(t.Context(), layers, &ispctl.Model{})
	if err != nil {
		t.Fatal(err)
	}
	if len(done) != 0 {
		t.Fatalf("the survey did %v", done)
	}
	var dry []string
	for _, c := range converge.Changes(steps) {
		dry = append(dry, "l "+c.String())
	}
	if err := converge.Apply(t.Context(), steps, converge.Options{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(dry, done); diff != "" || len(done) != 5 {
		t.Errorf("(-dry run +done):\n%s", diff)
	}
}

func TestProgressIsTold(t *testing.T) {
	var told, done []string
	layers := with(&done, []*layer{{name: "a", pending: "+a +b -z"}, {name: "b"}, {name: "c", pending: "+c", fails: map[string]error{"+c": fault("vm c")}}})
	_, err := converge.Run(t.Context(), layers, &ispctl.Model{}, converge.Options{
		Begin: func(layer string, n int) { told = append(told, fmt.Sprintf("begin %s %d", layer, n)) },
		End:   func(layer string, err error) { told = append(told, fmt.Sprintf("end %s %v", layer, err)) },
	})
	if len(converge.Faults(err)) != 1 {
		t.Error(err)
	}
	want := []string{"begin a 2", "end a <nil>", "begin c 1", "end c vm c: broken", "begin a 1", "end a <nil>"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCancelledPassStops between two layers.
func TestCancelledPassStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var done []string
	layers := with(&done, []*layer{{name: "a", pending: "+a -z"}, {name: "b", pending: "+b"}})
	_, err := converge.Run(ctx, layers, &ispctl.Model{}, converge.Options{End: func(string, error) { cancel() }})
	if !errors.Is(err, context.Canceled) || !slices.Equal(done, []string{"a +a"}) {
		t.Errorf("done %v: %v", done, err)
	}
}

func TestFaults(t *testing.T) {
	a, b, c := &converge.Fault{Object: "a", Err: errBroken}, &converge.Fault{Object: "b", Err: errBroken}, &converge.Fault{Object: "c", Err: errBroken}
	for _, tt := range []struct {
		name string
		err  error
		want []*converge.Fault
	}{
		{"none", nil, nil},
		{"another error", errBroken, nil},
		{"one", a, []*converge.Fault{a}},
		{"wrapped", fmt.Errorf("layer: %w", a), []*converge.Fault{a}},
		{"inside an error of ours", &ispctl.Error{Cause: "x", Err: a}, []*converge.Fault{a}},
		{"joined, and joined again", errors.Join(errors.Join(a, errBroken), fmt.Errorf("layer: %w", errors.Join(b, c))), []*converge.Fault{a, b, c}},
		{"two in one format", fmt.Errorf("%w and %w", a, b), []*converge.Fault{a, b}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := converge.Faults(tt.err); !slices.Equal(got, tt.want) {
				t.Errorf("want %v, have %v", tt.want, got)
			}
		})
	}
	if a.Error() != "a: broken" || !errors.Is(a, errBroken) {
		t.Errorf("%v", a)
	}
}
