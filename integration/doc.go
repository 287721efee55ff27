// Package integration runs the ispctl program as a user does, against real
// bridges, nftables and guests, in network namespaces of its own.
package integration
