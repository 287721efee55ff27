// Package systemd has the scenario of a server: systemd as process 1, AppArmor on,
// libvirt's daemon, and the units of ispctl. It changes the host that it runs on,
// which is the reason why it runs in the lab alone (integration/lab, flavour
// systemd).
package systemd
