package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/google/renameio/v2"
	"go.yaml.in/yaml/v4"

	"ispctl"
	"ispctl/internal/netns"
)

// Up brings the demo up, or what is missing of it, and proves it. It fails if
// any proof does.
func (d *Demo) Up(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return &ispctl.Error{Kind: ispctl.Permission, Object: "demo", Cause: "makes network namespaces", Next: "run it as root"}
	}
	if err := d.claim(); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{d.internet, d.init, d.images, d.keys, d.apply, d.show} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// internet makes the two namespaces and the wire between them.
func (d *Demo) internet(ctx context.Context) error {
	for _, ns := range []string{ProviderNS, InternetNS} {
		if err := netns.Create(ns); err != nil {
			return err
		}
	}
	if _, err := inside(ctx, InternetNS, "ip", "link", "show", "inet0"); err == nil {
		return nil
	}
	for _, argv := range [][]string{
		{"ip", "link", "add", "inet0", "type", "veth", "peer", "name", "eth0", "netns", ProviderNS},
		{"ip", "address", "add", gateway + "/24", "dev", "inet0"},
		{"ip", "address", "add", gateway6 + "/64", "dev", "inet0", "nodad"},
		{"ip", "link", "set", "inet0", "up"},
		// The provider delivers the extra addresses by routing them to the
		// host's own.
		{"ip", "route", "add", external1 + "/32", "via", hostAddress},
		{"ip", "route", "add", external2 + "/32", "via", hostAddress},
		{"ip", "route", "add", delegated, "via", hostAddress6},
	} {
		if out, err := inside(ctx, InternetNS, argv...); err != nil {
			return fmt.Errorf("demo: %s: %w: %s", strings.Join(argv, " "), err, out)
		}
	}
	return nil
}

func (d *Demo) init(ctx context.Context) error {
	return d.ispctl(ctx, "init", "--netns", ProviderNS, "--hypervisor", "embed", "--admin-prefix", adminPrefix,
		"--uplink", "eth0", "--address", hostAddress+"/24", "--gateway", gateway,
		"--address6", hostAddress6+"/64", "--gateway6", gateway6)
}

func (d *Demo) images(ctx context.Context) error {
	for _, name := range []string{"micro", "debian-12"} {
		if err := d.ispctl(ctx, "image", "build", name); err != nil {
			return err
		}
	}
	return nil
}

// keys makes the keys that the demo logs in with: the operator's, and a tenant's.
func (d *Demo) keys(ctx context.Context) error {
	// A guest that is made anew has a new host key.
	if err := os.Remove(d.knownHosts()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("demo: %w", err)
	}
	for file, who := range map[string]string{d.key(): "ispctl demo", d.tenantKey(): "acme"} {
		if _, err := os.Stat(file); err == nil {
			continue
		}
		out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", who, "-f", file).CombinedOutput()
		if err != nil {
			return fmt.Errorf("demo: ssh-keygen: %w: %s", err, out)
		}
	}
	return nil
}

func (d *Demo) apply(ctx context.Context) error {
	key, err := publicKey(d.key())
	if err != nil {
		return err
	}
	tenants, err := publicKey(d.tenantKey())
	if err != nil {
		return err
	}
	type object map[string]any
	web1 := object{"name": "web1", "template": "debian-12", "zone": "dmz", "plan": "small", "address": webGuest, "tenant": tenant}
	if !d.handed(ctx) {
		web1["ssh_keys"] = []string{key}
	}
	text, err := yaml.Dump(object{
		"version":   1,
		"addresses": []string{external1, external2},
		"zones": []object{
			{"name": "dmz", "prefix": dmzPrefix, "prefix6": dmzPrefix6, "snat": external1},
			{"name": "mail", "prefix": mailPrefix, "prefix6": mailPrefix6},
		},
		"plans": []object{
			{"name": "small", "cpus": 1, "memory": "512MiB", "disk": "4GiB"},
			{"name": "tiny", "cpus": 1, "memory": "128MiB", "disk": "256MiB"},
		},
		"tenants": []object{{"name": tenant, "title": "Acme", "keys": []string{tenants}}},
		"vpn":     object{"listen": vpnPort, "prefix": vpnPrefix},
		"vms": []object{
			web1,
			{"name": "mail1", "template": "micro", "zone": "mail", "plan": "tiny", "address": mailGuest, "ssh_keys": []string{key}},
		},
		"policies": []object{
			{"from": "dmz", "to": "mail", "services": []string{"icmp"}},
			{"from": "mail", "to": "dmz", "services": []string{"tcp/22"}, "families": []string{"ipv6"}},
			{"from": "mail", "to": "internet", "services": []string{"tcp/22"}},
			{"from": "internet", "to": "dmz", "services": []string{"icmp"}, "families": []string{"ipv6"}},
			{"from": "mail", "to": "host", "services": []string{"icmp"}},
		},
		"forwards": []object{{"listen": external1 + ":" + sshForward + "/tcp", "to": "web1:22"}},
	})
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := renameio.WriteFile(d.document(), text, 0o644); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := d.ispctl(ctx, "apply", "-f", d.document()); err != nil {
		return err
	}
	for _, vm := range []string{"mail1", "web1"} {
		// A guest that is up is started again for nothing; this waits.
		if err := d.ispctl(ctx, "vm", "start", vm, "--wait"); err != nil {
			return err
		}
	}
	return nil
}

func publicKey(file string) (string, error) {
	public, err := os.ReadFile(file + ".pub")
	if err != nil {
		return "", fmt.Errorf("demo: %w", err)
	}
	return strings.TrimSpace(string(public)), nil
}
