package cli

import (
	"os"
	"strconv"
	"strings"

	"ispctl/state"
)

// The ways by which somebody asks.
const (
	sourceCommand = "command"
	sourceServe   = "serve"
	sourceSocket  = "socket"
)

// askerEnv tells a child of serve for whom it works: UID:ROLE:NAME. Only root can
// do anything here, and so say it.
const askerEnv = "ISPCTL_ASKER"

// bySocket is who asks by the socket of serve.
func bySocket() (who state.Asker, name string, is bool) {
	fields := strings.SplitN(os.Getenv(askerEnv), ":", 3)
	if len(fields) != 3 || os.Geteuid() != 0 {
		return who, "", false
	}
	uid, err := strconv.Atoi(fields[0])
	return state.Asker{UID: uid, Role: fields[1], Source: sourceSocket}, fields[2], err == nil
}

// asker is who stands behind this command line. sudo(8) says whose user it was.
func (a *app) asker() state.Asker {
	if who, _, is := bySocket(); is {
		return who
	}
	uid := os.Getuid()
	if n, err := strconv.Atoi(os.Getenv("SUDO_UID")); err == nil && n >= 0 && uid == 0 {
		uid = n
	}
	return state.Asker{UID: uid, Role: roleOperator, Source: sourceCommand}
}
