// Package gateway is an SSH server for tenants (RFC 4252, 4254; sshd(8) is not
// asked). Whoever proves to have a registered key of a tenant may give commands of
// a few plain words; there is no shell, no forwarding, no sftp, no agent and no
// environment, and no command line is ever given to a shell.
//
// It knows nothing of VMs: it is handed who is known and what runs a command.
package gateway
