package ispctl

import "errors"

// Outcome is what a program came to that was run in a guest. All of it is what
// the guest says: nothing in it is to be believed further than that.
type Outcome struct {
	Code           int // its exit status; 128 and the signal's number where one ended it
	Stdout, Stderr []byte
	Cut            bool // it wrote more than is kept
}

// ErrNoAgent is beneath errors about guests in which no guest agent answers.
var ErrNoAgent = errors.New("no guest agent answers")
