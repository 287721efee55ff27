package operations

// sharing says how much of the host is shared out, where the document does.
func (a *applier) sharing() error {
	if a.doc.Sharing == nil {
		return nil
	}
	want := a.doc.Sharing.Over(a.have.Sharing)
	if want == a.have.Sharing {
		return nil
	}
	a.say("~ host %s", want)
	return a.tx.PutSharing(want)
}
