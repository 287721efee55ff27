package integration

import (
	"fmt"
	"strings"
	"testing"

	"ispctl/operations"
)

// adminLegs logs in to a real guest over its leg, and lets root inside try to
// get anywhere else by it.
func adminLegs(t *testing.T, w *world) {
	web1, mail1 := w.vm("web1"), w.vm("mail1")
	out, err := w.ssh(w.provider, mail1.AdminAddress, "22", "hostname")
	if err != nil || out != "mail1" {
		t.Fatalf("mail1 does not answer on its leg: %v: %s", err, out)
	}
	end{"host", w.provider, "", ""}.serve(t)
	own := first(web1.AdminAddress)
	// What would answer if there were no wall: SSH of the guest itself, the
	// host's ports, a name server that is not there.
	script := fmt.Sprintf(`
ip route add 10.0.0.0/8 via %[1]s dev eth1; ip route add 203.0.113.2 via %[1]s dev eth1
ip route | grep -q eth1 || echo NO eth1
reach() { nc -w 1 "$1" "$2" </dev/null >/dev/null 2>&1 && echo "reached $1 $2"; ping -c 1 -W 1 "$1" >/dev/null 2>&1 && echo "pinged $1"; }
reach %[2]s 22 & reach %[3]s 22 & reach %[1]s 22 & reach 10.20.0.1 22 & reach 10.20.0.2 22 & reach 203.0.113.2 22 & wait
ip address del %[5]s/24 dev eth1; ip address add %[4]s/24 dev eth1
ping -c 1 -W 1 -I %[4]s %[1]s >/dev/null 2>&1 && echo "answered as another"
ip address del %[4]s/24 dev eth1; ip address add %[5]s/24 dev eth1
ip link set eth1 down; ip link set eth1 address 02:00:00:00:00:77; ip link set eth1 up
ping -c 1 -W 1 -I eth1 %[1]s >/dev/null 2>&1 && echo "answered with another MAC"
echo done`, own, mail1.AdminAddress, first(mail1.AdminAddress), strings.TrimSuffix(own, "1")+"77", web1.AdminAddress)
	// By its zone: what it does to its leg must not end the session.
	out, err = w.ssh(w.internet, external, "2222", script)
	if err != nil || out != "done" {
		t.Errorf("root in web1, by its leg: %v:\n%s", err, out)
	}
	if drops := w.vm("web1").Drops; drops["leg"] == 0 || drops["mac"] == 0 {
		t.Errorf("what it tried is not counted: %v", drops)
	}
	var dropped []operations.DroppedView
	w.show(&dropped, "usage", "drops", "web1")
	if len(dropped) != 1 || dropped[0].Wall.Packets == 0 || dropped[0].Spoof.Packets == 0 || dropped[0].Spoof.Bytes < 42*dropped[0].Spoof.Packets {
		t.Errorf("what it tried is not told apart: %+v", dropped)
	}
	back := "ip link set eth1 down; ip link set eth1 address " + web1.NICs[1].MAC + "; ip link set eth1 up"
	if out, err := w.ssh(w.internet, external, "2222", back); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := w.ssh(w.provider, web1.AdminAddress, "22", "hostname"); err != nil || out != "web1" {
		t.Errorf("web1 on its leg, as itself again: %v: %s", err, out)
	}
}
