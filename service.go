package ispctl

import (
	"fmt"
	"strconv"
	"strings"
)

// Service is a port and its protocol, written `22/tcp` as in services(5).
type Service struct {
	Port  uint16
	Proto Protocol
}

// ParseService reads `PORT/PROTO`.
func ParseService(s string) (Service, error) {
	port, proto, found := strings.Cut(s, "/")
	n, err := strconv.ParseUint(port, 10, 16)
	if !found || err != nil || n == 0 || (proto != string(TCP) && proto != string(UDP)) {
		return Service{}, Invalid("service", s, "is not PORT/tcp or PORT/udp")
	}
	return Service{Port: uint16(n), Proto: Protocol(proto)}, nil
}

// String is the text ParseService reads.
func (s Service) String() string { return fmt.Sprintf("%d/%s", s.Port, s.Proto) }
