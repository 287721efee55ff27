package images

import (
	"errors"
	"os"
	"strings"
	"testing"

	"ispctl"
)

func TestDesiredRefuses(t *testing.T) {
	bad := func(change func(*ispctl.VM)) *ispctl.Model {
		vm := guest("a", uuid1, "small")
		change(&vm)
		return model("", vm)
	}
	for name, m := range map[string]*ispctl.Model{
		"a path for a uuid":   bad(func(vm *ispctl.VM) { vm.UUID = "../../etc" }),
		"upper case":          bad(func(vm *ispctl.VM) { vm.UUID = strings.ToUpper("aaaaaaaa-1111-4111-8111-111111111111") }),
		"a path for a digest": bad(func(vm *ispctl.VM) { vm.Image = "../x" }),
		"an unknown plan":     bad(func(vm *ispctl.VM) { vm.Plan = "none" }),
	} {
		if s, err := Desired(seed)(m); err == nil || !strings.Contains(err.Error(), "vm a") {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	broken := func(*ispctl.Model, ispctl.VM) (Seed, error) { return Seed{}, os.ErrInvalid }
	if _, err := Desired(broken)(model("", guest("a", uuid1, "small"))); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("a seed that cannot be rendered: %v", err)
	}
}
