package cli

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/pflag"

	"ispctl"
	"ispctl/internal/control"
)

// through gives the command line to serve, where its caller is not root, the
// command is one that can be given so, and serve is there. Else it is run here,
// as far as it comes.
func through(ctx context.Context, line []string) (code int, done bool, err error) {
	if os.Geteuid() == 0 {
		return 0, false, nil
	}
	c, rest, err := Tree().Find(line)
	if err != nil || c.ParseFlags(rest) != nil || c.Flags().Changed("help") {
		return 0, false, nil //nolint:nilerr // it is said by who runs it
	}
	if roles, known := rolesOf(commandPath(c)); !known || len(roles) == 0 {
		return 0, false, nil
	}
	call := control.Call{Args: line, Env: map[string]string{}}
	for _, name := range callEnv {
		if value, has := os.LookupEnv(name); has {
			call.Env[name] = value
		}
	}
	code, err = control.Ask(ctx, ispctl.Paths{Root: rootOf(c.Flags())}.Control(), call)
	if errors.Is(err, control.ErrNobody) {
		return 0, false, nil
	}
	return code, true, err
}

func rootOf(flags *pflag.FlagSet) string {
	dir, err := flags.GetString("root")
	if err != nil {
		return ""
	}
	return dir
}
