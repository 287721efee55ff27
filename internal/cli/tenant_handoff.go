package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/handover"
	"ispctl/operations"
)

// guestWait is how long a guest that has just been made may take until it can be
// handed over.
const guestWait = 15 * time.Minute

// handoffFormats are the forms of the document.
var handoffFormats = []string{"text", "json", "html", "pdf"}

func (a *app) tenantHandoff() *cobra.Command {
	var o operations.Options
	var spec operations.HandoffSpec
	var keyFiles, recipients []string
	var format, file string
	c := &cobra.Command{
		Use: "handoff TENANT", Short: "Hand root on VMs over to their tenant",
		Long: `Hand root on VMs over to their tenant, and print the document for the tenant.

Of the guests' keys only the tenant's remain: those it has registered, and those
of --ssh-key. The document has the VMs' addresses, their SSH host keys, a
password for once if --password asks for it, and, where there is a VPN, a peer of
it. What is secret in it is kept nowhere else, so encrypt it for the tenant
(--recipient), or see to who reads it. To hand over again makes all of it anew.`,
		Example: `  ispctl tenant handoff acme --ssh-key acme.pub --recipient acme.pub --output acme.age
  ispctl tenant handoff acme --vm web1 --password --recipient age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj -o pdf --output web1.pdf.age`,
		Args: args(1, "a tenant"), ValidArgsFunction: first(a.complete(tenantNames)),
		RunE: func(c *cobra.Command, given []string) (err error) {
			if !slices.Contains(handoffFormats, format) {
				return ispctl.Invalid("output format", format, "is not known; have: %s", strings.Join(handoffFormats, ", "))
			}
			to, err := readRecipients(recipients)
			if err != nil {
				return err
			}
			if file == "" && format == "pdf" && len(to) == 0 && isTerminal(os.Stdout) {
				return ispctl.Invalid("output format", format, "is not for a terminal; give --output FILE")
			}
			if _, err := os.Lstat(file); file != "" && err == nil {
				return ispctl.Conflicting("file", file, "is there already")
			}
			if spec.SSHKeys, err = readKeys(keyFiles); err != nil {
				return err
			}
			spec.Tenant = given[0]
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			if spec.GatewayKey, err = a.gatewayKey(c.Context(), p); err != nil {
				return err
			}
			r, doc, err := p.HandOff(c.Context(), spec, o)
			if o.DryRun || err != nil {
				return a.report(r, o, err)
			}
			quiet := *a
			quiet.streams.Out = a.streams.Err
			if err := quiet.report(r, o, nil); err != nil {
				return err
			}
			return a.writeHandoff(doc, format, file, to)
		},
	}
	f := c.Flags()
	f.StringVar(&spec.VM, "vm", "", "only this one of the tenant's VMs")
	f.StringArrayVar(&keyFiles, "ssh-key", nil, "file with public keys of the tenant's, beside those it has registered; may be given again")
	f.BoolVar(&spec.Password, "password", false, "give root a password that has to be changed at the first login")
	f.StringArrayVar(&recipients, "recipient", nil, "encrypt the document for this key: of age, of SSH, or a file with some; may be given again")
	f.BoolVar(&spec.KeepOperator, "keep-operator-key", false, "leave the keys that are in the guests now")
	f.StringVarP(&format, "format", "o", handoffFormats[0], "format of the document: "+strings.Join(handoffFormats, ", "))
	f.StringVar(&file, "output", "", "write it to a new file that only you read, in place of standard output")
	f.DurationVar(&spec.Wait, "timeout", guestWait, "how long to wait for the guests' agents, and for cloud-init in them")
	dryRunFlag(c, &o)
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(handoffFormats, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("vm", a.complete(vmNames))
	return c
}

// readRecipients reads keys that a document can be encrypted for.
func readRecipients(given []string) ([]age.Recipient, error) {
	var all []age.Recipient
	for _, one := range given {
		lines := []string{one}
		if err := noPrivateKey(one); err != nil {
			return nil, err // whole, as the name of a file, it would be said again
		}
		if !strings.HasPrefix(one, "age1") && !strings.HasPrefix(one, "ssh-") {
			text, err := os.ReadFile(one)
			if err != nil {
				return nil, ispctl.Invalid("recipient", one, "is neither a key of age or SSH nor a file that can be read: %v", err)
			}
			lines = strings.Split(string(text), "\n")
		}
		n := len(all)
		for _, line := range lines {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			r, err := parseRecipient(line)
			if err != nil {
				return nil, err
			}
			all = append(all, r)
		}
		if len(all) == n {
			return nil, ispctl.Invalid("recipient", one, "holds no key")
		}
	}
	return all, nil
}

// noPrivateKey refuses what is a secret, without a word of it.
func noPrivateKey(s string) error {
	if strings.HasPrefix(strings.ToUpper(s), "AGE-SECRET-KEY-") || strings.Contains(s, "PRIVATE KEY-----") {
		return &ispctl.Error{Kind: ispctl.Usage, Object: "recipient", Cause: "is a private key", Next: "give the public one: age-keygen -y FILE, or FILE.pub"}
	}
	return nil
}

func parseRecipient(s string) (age.Recipient, error) {
	if err := noPrivateKey(s); err != nil {
		return nil, err
	}
	const shown = 24
	name := s[:min(len(s), shown)]
	if strings.HasPrefix(s, "age1") {
		r, err := age.ParseX25519Recipient(s)
		if err != nil {
			return nil, ispctl.Invalid("recipient", name, "is no key of age: %v", err)
		}
		return r, nil
	}
	r, err := agessh.ParseRecipient(s)
	if err != nil {
		return nil, &ispctl.Error{
			Kind: ispctl.Usage, Object: fmt.Sprintf("recipient %q", name), Cause: "is of a kind that nothing can be encrypted for", Err: err,
			Next: "give a key of age (age1...), or of SSH: ssh-ed25519 or ssh-rsa",
		}
	}
	return r, nil
}

// writeHandoff writes the document, encrypted where it is for somebody. In clear
// it never goes to a file that others can read.
func (a *app) writeHandoff(doc handover.Document, format, file string, to []age.Recipient) error {
	write := map[string]func(io.Writer) error{"text": doc.Text, "json": doc.JSON, "html": doc.HTML, "pdf": doc.PDF}[format]
	var out bytes.Buffer
	if len(to) == 0 {
		if err := write(&out); err != nil {
			return err
		}
	} else if err := encrypt(&out, to, write); err != nil {
		return fmt.Errorf("encrypt the document: %w", err)
	}
	if file != "" {
		return renameio.WriteFile(file, out.Bytes(), 0o600)
	}
	_, err := out.WriteTo(a.streams.Out)
	return err
}

// encrypt writes letters only, so that it can go by mail.
func encrypt(out io.Writer, to []age.Recipient, write func(io.Writer) error) error {
	letters := armor.NewWriter(out)
	sealed, err := age.Encrypt(letters, to...)
	if err != nil {
		return err
	}
	if err := write(sealed); err != nil {
		return err
	}
	if err := sealed.Close(); err != nil {
		return err
	}
	return letters.Close()
}
