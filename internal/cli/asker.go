package cli

import (
	"os"
	"strconv"

	"ispctl/state"
)

// The ways by which somebody asks.
const (
	sourceCommand = "command"
	sourceServe   = "serve"
)

// asker is who stands behind this command line. sudo(8) says whose user it was.
func (a *app) asker() state.Asker {
	uid := os.Getuid()
	if n, err := strconv.Atoi(os.Getenv("SUDO_UID")); err == nil && n >= 0 && uid == 0 {
		uid = n
	}
	return state.Asker{UID: uid, Role: roleOperator, Source: sourceCommand}
}

// The roles.
const (
	roleOperator = "operator"
	roleAuditor  = "auditor"
	roleTenant   = "tenant"
)
