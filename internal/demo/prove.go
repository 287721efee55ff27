package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"ispctl"
	"ispctl/internal/netns"
)

// show proves what the demo promises, hands web1 over, keeps the results, and
// prints them with the ways to look around.
func (d *Demo) show(ctx context.Context) error {
	d.webKey = d.key()
	if d.handed(ctx) {
		d.webKey = d.tenantKey()
	}
	s, err := d.prove(ctx)
	if err != nil {
		return err
	}
	detail, err := d.handOver(ctx)
	c := Check{Name: "web1 is the tenant's: its key opens it, known beforehand by the document, and the operator's no more", OK: err == nil, Detail: detail}
	if err != nil {
		c.Detail = err.Error()
	}
	s.Checks = append(s.Checks, c)
	s.VMs = []VM{
		{"web1", webGuest, shell(InternetNS, d.ssh(d.webKey, external1, sshForward))},
		{"mail1", mailGuest, shell(ProviderNS, d.ssh(d.key(), mailGuest, "22"))},
	}
	if err := d.save(s); err != nil {
		return err
	}
	d.print(s)
	for _, c := range s.Checks {
		if !c.OK {
			return &ispctl.Error{Kind: ispctl.Failed, Object: "demo", Cause: "a check failed: " + c.Name, Next: "look around, then: ispctl demo down"}
		}
	}
	return nil
}

// prove tries what the network promises.
func (d *Demo) prove(ctx context.Context) (Status, error) {
	s := Status{
		Root: d.Root, Namespaces: []string{ProviderNS, InternetNS}, Addresses: []string{external1, external2},
	}
	for _, check := range []struct {
		name string
		try  func(context.Context) (string, error)
	}{
		{"login over SSH from the Internet through the forward", d.login},
		{"web1 goes out with the external address of its zone", d.egress},
		{"mail1 answers the host (so that silence below means a wall)", d.control},
		{"mail1 cannot be reached from web1", d.wall},
		{"both answer the host on their admin legs", d.legs},
		{"mail1 cannot be reached from web1 on its admin leg", d.legWall},
		{"the host cannot be reached from web1", d.hostWall},
		{"mail1 cannot be reached from the Internet", d.noForward},
	} {
		detail, err := check.try(ctx)
		c := Check{Name: check.name, OK: err == nil, Detail: detail}
		if err != nil {
			c.Detail = err.Error()
		}
		s.Checks = append(s.Checks, c)
	}
	cells, err := d.matrix(ctx)
	if err != nil {
		return s, err
	}
	s.Policies = cells
	for _, c := range cells {
		if !c.OK() {
			s.Checks = append(s.Checks, Check{
				Name:   fmt.Sprintf("%s -> %s by %s as the policies say", c.From, c.To, c.Family),
				Detail: fmt.Sprintf("open: %v; reached: %v; silent: %v", c.Services, c.Reached, c.Silent),
			})
		}
	}
	return s, nil
}

func (d *Demo) ssh(key, host, port string) []string {
	return []string{
		"ssh", "-i", key, "-p", port, "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR",
		"-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=" + d.knownHosts(), "root@" + host,
	}
}

func shell(ns string, argv []string) string {
	return "ip netns exec " + ns + " " + strings.Join(argv, " ")
}

// web1 runs a command in web1, logged in from the Internet.
func (d *Demo) web1(ctx context.Context, command string) (string, error) {
	out, err := inside(ctx, InternetNS, append(d.ssh(d.webKey, external1, sshForward), command)...)
	return strings.TrimSpace(out), err
}

// mail1 runs a command in mail1, logged in from the host: nobody else gets
// there.
func (d *Demo) mail1(ctx context.Context, command string) (string, error) {
	out, err := inside(ctx, ProviderNS, append(d.ssh(d.key(), mailGuest, "22"), command)...)
	return strings.TrimSpace(out), err
}

func (d *Demo) login(ctx context.Context) (string, error) {
	out, err := d.web1(ctx, ". /etc/os-release; echo $(hostname), $PRETTY_NAME, $(id -un)")
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	if !strings.HasPrefix(out, "web1, Debian GNU/Linux 12") {
		return "", fmt.Errorf("the guest says it is %q", out)
	}
	return out, nil
}

// egress lets web1 connect to a listener on the Internet, which looks at who
// called.
func (d *Demo) egress(ctx context.Context) (string, error) {
	l, err := listen(InternetNS, gateway+":0")
	if err != nil {
		return "", err
	}
	defer l.Close() //nolint:errcheck // nothing was written
	caller := make(chan string, 1)
	go func() {
		if conn, err := l.Accept(); err == nil {
			caller <- conn.RemoteAddr().(*net.TCPAddr).IP.String()
			conn.Close() //nolint:errcheck // nothing was written
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if out, err := d.web1(ctx, connect(gateway, port)); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	select {
	case from := <-caller:
		if from != external1 {
			return "", fmt.Errorf("it came from %s, not %s", from, external1)
		}
		return "seen as " + from, nil
	case <-time.After(5 * time.Second):
		return "", errors.New("nobody called")
	}
}

func (d *Demo) control(context.Context) (string, error) {
	return "answered on " + mailGuest + ":22", dial(ProviderNS, mailGuest+":22")
}

func (d *Demo) wall(ctx context.Context) (string, error) {
	return d.refused(ctx, mailGuest, "22")
}

func (d *Demo) legs(context.Context) (string, error) {
	return "answered on " + webLeg + ":22 and " + mailLeg + ":22", errors.Join(dial(ProviderNS, webLeg+":22"), dial(ProviderNS, mailLeg+":22"))
}

func (d *Demo) legWall(ctx context.Context) (string, error) {
	return d.refused(ctx, mailLeg, "22")
}

// hostWall opens a port on the host for the time of the check, so that there
// is something to be reached.
func (d *Demo) hostWall(ctx context.Context) (string, error) {
	l, err := listen(ProviderNS, dmzGateway+":0")
	if err != nil {
		return "", err
	}
	defer l.Close() //nolint:errcheck // nothing was written
	if err := dial(ProviderNS, l.Addr().String()); err != nil {
		return "", fmt.Errorf("the host does not reach itself: %w", err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return d.refused(ctx, dmzGateway, port)
}

func (d *Demo) noForward(context.Context) (string, error) {
	for _, target := range []string{external2 + ":22", external1 + ":22", mailGuest + ":22"} {
		if err := dial(InternetNS, target); err == nil {
			return "", fmt.Errorf("%s answered", target)
		}
	}
	return "no address leads to it", nil
}

// refused expects that web1 cannot connect.
func (d *Demo) refused(ctx context.Context, host, port string) (string, error) {
	out, err := d.web1(ctx, connect(host, port)+" && echo connected || echo silence")
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %s", err, out)
	case !strings.HasSuffix(out, "silence"):
		return "", fmt.Errorf("web1 reached %s:%s: %s", host, port, out)
	}
	return fmt.Sprintf("%s:%s is silent", host, port), nil
}

// connect is a shell command that succeeds when a TCP connection does.
func connect(host, port string) string {
	return fmt.Sprintf("timeout 4 bash -c 'exec 3<>/dev/tcp/%s/%s' 2>/dev/null", host, port)
}

func listen(ns, address string) (l net.Listener, err error) {
	err = netns.Do(ns, func() error {
		l, err = net.Listen("tcp", address)
		return err
	})
	return l, err
}

func dial(ns, address string) error {
	return netns.Do(ns, func() error {
		conn, err := net.DialTimeout("tcp", address, 4*time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

func (d *Demo) print(s Status) {
	fmt.Fprintln(d.Out)
	for _, c := range s.Checks {
		mark := "ok  "
		if !c.OK {
			mark = "FAIL"
		}
		fmt.Fprintf(d.Out, "%s  %s: %s\n", mark, c.Name, c.Detail)
	}
	d.printMatrix(s.Policies)
	fmt.Fprintf(d.Out, `
Look around:
  %[3]s --root %[1]s status
  %[3]s --root %[1]s vm list -o wide
  ip netns exec %[2]s nft list ruleset
  ip netns exec %[2]s ip address
`, d.Root, ProviderNS, d.Program)
	for _, vm := range s.VMs {
		fmt.Fprintf(d.Out, "Log in to %s:\n  %s\n", vm.Name, vm.SSH)
	}
	fmt.Fprintf(d.Out, "Remove every trace:\n  %s%s demo down\n", d.Program, rootFlag(s.Root))
}

func rootFlag(root string) string {
	if root == DefaultRoot {
		return ""
	}
	return " --root " + root
}
