// Package ispctl is the domain: zones, virtual machines, plans, addresses and
// forwards as an operator means them, what makes each of them valid, and the
// errors that everything above speaks in.
//
// It imports nothing of ours, touches no file, socket or clock, and knows
// neither the database nor the kernel. A [Model] is one immutable snapshot of
// intent; every layer derives the host objects it wants from a Model alone.
package ispctl
