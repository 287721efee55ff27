// Package control is the socket by which users of the host who are not root give
// commands to `ispctl serve`. Who asks is the kernel's to say (unix(7),
// SO_PEERCRED and SO_PEERGROUPS), not the asker's. A call is the words of a command
// line, a few variables and the caller's three standard streams themselves
// (SCM_RIGHTS), so that whatever the command reads and prints goes to and fro
// without us, terminals as well; the answer is an exit code.
//
// It knows no command: it is handed who is known and what runs one.
package control
