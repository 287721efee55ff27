package state

import (
	"errors"

	"ispctl"
)

// PutGateway says where the gateway is.
func (t *Tx) PutGateway(g ispctl.Gateway) error {
	err := t.exec(`DELETE FROM gateway`)
	if g.Configured() {
		err = errors.Join(err, t.exec(`INSERT INTO gateway (id, listen) VALUES (1, ?)`, g.Listen.String()))
	}
	return err
}

func gatewayTables(m *ispctl.Model) []table {
	return []table{{`SELECT listen FROM gateway`, func(row scanner) error {
		var listen string
		if err := row.Scan(&listen); err != nil {
			return err
		}
		return m.Gateway.Listen.UnmarshalText([]byte(listen))
	}}}
}
