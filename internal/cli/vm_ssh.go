package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ispctl"
)

func (a *app) vmSSH() *cobra.Command {
	var user, identity string
	c := &cobra.Command{
		Use: "ssh NAME [-- COMMAND...]", Short: "Log in to a VM by SSH, with its host key known in advance",
		Long: `Log in to a VM by SSH, or run a command there.

OpenSSH is told the VM's host key, and no other: it neither asks nor learns, and
whoever answers in the VM's place is refused. It goes from the host, by the
admin leg where the VM is on it, so that no policy or forward is needed. Who
logs in is the template's login. The exit status is ssh's: the command's own,
or 255.`,
		Example: "  ispctl vm ssh web1\n  ispctl vm ssh web1 --identity ~/.ssh/id_ed25519 -- uptime",
		Args:    atLeast(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			if len(given) > 1 && c.ArgsLenAtDash() != 1 {
				return &ispctl.Error{Kind: ispctl.Usage, Object: c.CommandPath(), Cause: "wants the name of a VM, and a command only after --", Next: "see: " + c.CommandPath() + " --help"}
			}
			p, err := a.inside(c.Context())
			if err != nil {
				return err
			}
			way, err := p.SSH(c.Context(), given[0])
			if err != nil {
				return err
			}
			if user == "" {
				user = way.Login
			}
			if len(user) == 0 || user[0] == '-' {
				return ispctl.Invalid("user", user, "is no name of a user")
			}
			known, err := knownHosts(way.KnownHosts())
			if err != nil {
				return err
			}
			defer known.Close() //nolint:errcheck // it is nowhere but in memory
			return a.ssh(append(sshOptions(way.Alias, known, identity), append([]string{"-l", user, "--", way.Addr.String()}, given[1:]...)...))
		},
	}
	c.Flags().StringVarP(&user, "user", "l", "", "who logs in; without it the template's login")
	c.Flags().StringVarP(&identity, "identity", "i", "", "file with the private key to log in with; without it what ssh finds")
	_ = c.MarkFlagFilename("identity")
	return c
}

// knownHosts is a file that is nowhere but in memory, and goes with this process.
func knownHosts(text string) (*os.File, error) {
	fd, err := unix.MemfdCreate("known_hosts", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make known_hosts: %w", err)
	}
	f := os.NewFile(uintptr(fd), "known_hosts")
	if _, err := f.WriteString(text); err != nil {
		return nil, fmt.Errorf("make known_hosts: %w", errors.Join(err, f.Close()))
	}
	return f, nil
}

// sshOptions come before what the user's own configuration has. ssh closes what
// it inherits, so the file is named as this process's.
func sshOptions(alias string, known *os.File, identity string) []string {
	options := []string{
		"-o", "HostKeyAlias=" + alias, "-o", fmt.Sprintf("UserKnownHostsFile=/proc/%d/fd/%d", os.Getpid(), known.Fd()), "-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "StrictHostKeyChecking=yes", "-o", "HostKeyAlgorithms=ssh-ed25519", "-o", "UpdateHostKeys=no", "-o", "CheckHostIP=no",
		"-o", "ProxyCommand=none", "-o", "ProxyJump=none", "-o", "Port=22",
	}
	if identity != "" {
		options = append(options, "-i", identity, "-o", "IdentitiesOnly=yes")
	}
	return options
}

// ssh runs OpenSSH on the streams of the command. It hears the terminal's signals
// itself.
func (a *app) ssh(args []string) error {
	cmd := exec.Command("ssh", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.streams.In, a.streams.Out, a.streams.Err
	err := cmd.Run()
	if e, ok := errors.AsType[*exec.ExitError](err); ok && e.Exited() {
		return saidError{e.ExitCode()}
	}
	if errors.Is(err, exec.ErrNotFound) {
		return &ispctl.Error{Object: "ssh", Cause: "is not installed", Next: "apt install openssh-client"}
	}
	return err
}
