package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/renameio/v2"

	"ispctl/handover"
)

// tenant is who web1 is handed to.
const tenant = "acme"

// handed reports whether web1 is there and the tenant's already: the demo is
// brought up a second time.
func (d *Demo) handed(ctx context.Context) bool {
	out, err := d.asks(ctx, "vm", "list", "-o", "json")
	if err != nil {
		return false
	}
	var vms []struct {
		Name string
		Root struct{ Tenant string }
	}
	if json.Unmarshal(out, &vms) != nil {
		return false
	}
	for _, vm := range vms {
		if vm.Name == "web1" {
			return vm.Root.Tenant == tenant
		}
	}
	return false
}

// handOver hands web1 to its tenant, shows the document, and comes in as the
// tenant would by what the document says. Its secrets are on the screen and
// nowhere else.
func (d *Demo) handOver(ctx context.Context) (string, error) {
	args := []string{"tenant", "handoff", tenant, "--vm", "web1"}
	fmt.Fprintf(d.Out, "\n$ ispctl --root %s %s\n", d.Root, strings.Join(args, " "))
	out, err := d.asks(ctx, append(args, "-o", "json")...)
	if err != nil {
		return "", err
	}
	var doc handover.Document
	if err := json.Unmarshal(out, &doc); err != nil {
		return "", fmt.Errorf("the document: %w", err)
	}
	if err := doc.Text(d.Out); err != nil {
		return "", err
	}
	d.webKey = d.tenantKey()
	if len(doc.VMs) != 1 || len(doc.VMs[0].HostKeys) == 0 || doc.VPN == nil {
		return "", errors.New("the document is of no use")
	}
	if err := renameio.WriteFile(d.handedHosts(), []byte(doc.VMs[0].KnownHosts()), 0o644); err != nil {
		return "", err
	}
	login := func(key string) (string, error) {
		argv := append([]string{
			"ssh", "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + d.handedHosts(), "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
		}, d.ssh(key, external1, sshForward)[1:]...) // the first of each setting counts
		out, err := inside(ctx, InternetNS, append(argv, "id -un")...)
		return strings.TrimSpace(out), err
	}
	who, err := login(d.tenantKey())
	if err != nil || who != "root" {
		return "", fmt.Errorf("the tenant is %q: %w", who, err)
	}
	if out, err := login(d.key()); err == nil || !strings.Contains(out, "Permission denied") {
		return "", fmt.Errorf("the operator's key still opens it, or something else is wrong: %s", out)
	}
	return "the tenant is root; the operator's key: Permission denied", nil
}
