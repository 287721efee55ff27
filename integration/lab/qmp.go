package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// answerTime is how long QEMU may take to answer: on a machine that is busy, ten
// seconds have been seen.
const answerTime = 2 * time.Minute

// qmp speaks the QEMU Machine Protocol.
type qmp struct {
	conn net.Conn
	in   *json.Decoder
}

// newQMP greets the other side. Everything it does after that ends when the
// machine does, or at its deadline.
func newQMP(conn net.Conn) (*qmp, error) {
	q := &qmp{conn: conn, in: json.NewDecoder(conn)}
	_ = conn.SetDeadline(time.Now().Add(answerTime)) // a socket has deadlines
	var greeting struct{ QMP json.RawMessage }
	if err := q.in.Decode(&greeting); err != nil {
		return nil, fmt.Errorf("monitor: %w", err)
	}
	return q, q.do("qmp_capabilities", nil, nil)
}

// do runs a command and decodes what it returns, if result is not nil. Events
// in between are passed over: what we want to know, we ask.
func (q *qmp) do(name string, arguments map[string]any, result any) error {
	_ = q.conn.SetDeadline(time.Now().Add(answerTime))
	request := map[string]any{"execute": name}
	if arguments != nil {
		request["arguments"] = arguments
	}
	if err := json.NewEncoder(q.conn).Encode(request); err != nil {
		return fmt.Errorf("monitor: %s: %w", name, err)
	}
	for {
		var reply struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
		}
		if err := q.in.Decode(&reply); err != nil {
			return fmt.Errorf("monitor: %s: %w", name, err)
		}
		switch {
		case reply.Error != nil:
			return fmt.Errorf("monitor: %s: %s", name, reply.Error.Desc)
		case reply.Return != nil && result != nil:
			return json.Unmarshal(reply.Return, result)
		case reply.Return != nil:
			return nil
		}
	}
}

// until asks for a status again and again until it is the wanted one.
func (q *qmp) until(command, wanted string, atMost time.Duration) error {
	deadline := time.Now().Add(atMost)
	for {
		var have struct {
			Status string
			Error  string `json:"error-desc"`
		}
		if err := q.do(command, nil, &have); err != nil {
			return err
		}
		switch {
		case have.Status == wanted:
			return nil
		case have.Status == "failed":
			return errors.New(command + ": failed: " + have.Error)
		case time.Now().After(deadline):
			return fmt.Errorf("%s: still %q after %v", command, have.Status, atMost)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
