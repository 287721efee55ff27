package state

import (
	"context"
	"fmt"
	"time"

	"ispctl"
)

// PutMetering says how usage is kept.
func (t *Tx) PutMetering(m ispctl.Metering) error {
	return t.exec(`INSERT INTO metering (id, time_zone, keep_days, flow_days) VALUES (1, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET time_zone = excluded.time_zone, keep_days = excluded.keep_days, flow_days = excluded.flow_days`, m.TimeZone, m.KeepDays, m.FlowDays)
}

// PutQuota makes the quota, or changes the one of the same VM, tenant or plan.
func (t *Tx) PutQuota(q ispctl.Quota) error {
	return t.exec(`INSERT INTO quota (vm, plan, tenant, volume, direction, day, action, rate, applied) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (vm, plan, tenant) DO UPDATE SET volume = excluded.volume, direction = excluded.direction, day = excluded.day,
			action = excluded.action, rate = excluded.rate, applied = excluded.applied`,
		q.VM, q.Plan, q.Tenant, q.Volume, q.Direction, q.Day, q.Action, q.Rate, q.Applied)
}

// DeleteQuota removes the quota of a VM, a tenant or a plan.
func (t *Tx) DeleteQuota(q ispctl.Quota) error {
	return t.exec(`DELETE FROM quota WHERE vm = ? AND plan = ? AND tenant = ?`, q.VM, q.Plan, q.Tenant)
}

// PutTariff makes the tariff, or changes the one of the same plan.
func (t *Tx) PutTariff(one ispctl.Tariff) error {
	return t.exec(`INSERT INTO tariff (plan, currency, volume, included, per_gb, percentile, committed, per_mbit, applied) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (plan) DO UPDATE SET currency = excluded.currency, volume = excluded.volume, included = excluded.included, per_gb = excluded.per_gb,
			percentile = excluded.percentile, committed = excluded.committed, per_mbit = excluded.per_mbit, applied = excluded.applied`,
		one.Plan, one.Currency, one.Volume, one.Included, one.PerGB, one.Percentile, one.Committed, one.PerMbit, one.Applied)
}

// DeleteTariff removes the tariff of a plan.
func (t *Tx) DeleteTariff(plan ispctl.Name) error {
	return t.exec(`DELETE FROM tariff WHERE plan = ?`, plan)
}

// QuotaState is how far a VM has come in the present period of its quota.
type QuotaState struct {
	VM           int64
	Since, Until time.Time     // the period
	Step         int           // 0, 80 or 100: the last mark in a hundred that was passed
	Acting       ispctl.Action // throttle or block; empty: nothing is done
	Rate         ispctl.Rate   // of a throttle
	Lifted       bool          // nothing is done until the period ends
}

// PutQuotaState keeps how far a VM has come.
func (t *Tx) PutQuotaState(s QuotaState) error {
	return t.exec(`INSERT INTO quota_state (vm, since, until, step, acting, rate, lifted) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (vm) DO UPDATE SET since = excluded.since, until = excluded.until, step = excluded.step, acting = excluded.acting,
			rate = excluded.rate, lifted = excluded.lifted`,
		s.VM, stamp(s.Since), stamp(s.Until), s.Step, s.Acting, s.Rate, s.Lifted)
}

// DeleteQuotaState forgets how far a VM has come.
func (t *Tx) DeleteQuotaState(vm int64) error {
	return t.exec(`DELETE FROM quota_state WHERE vm = ?`, vm)
}

// QuotaStates are all of them, by VM.
func (s *Store) QuotaStates(ctx context.Context) (map[int64]QuotaState, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT vm, since, until, step, acting, rate, lifted FROM quota_state`)
	if err != nil {
		return nil, fmt.Errorf("read quotas: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	all := map[int64]QuotaState{}
	for rows.Next() {
		var one QuotaState
		if err := rows.Scan(&one.VM, text{&one.Since}, text{&one.Until}, &one.Step, &one.Acting, &one.Rate, &one.Lifted); err != nil {
			return nil, fmt.Errorf("read quotas: %w", err)
		}
		all[one.VM] = one
	}
	return all, rows.Err()
}

// Generation is a number that goes up with every change of intent.
func (s *Store) Generation(ctx context.Context) (n int64, err error) {
	// To be cancelled in the midst of it would take a goroutine, more than it does.
	if err := s.read.QueryRowContext(context.WithoutCancel(ctx), `SELECT coalesce(max(id), 0) FROM journal`).Scan(&n); err != nil {
		return 0, fmt.Errorf("read journal: %w", err)
	}
	return n, nil
}

func usageTables(m *ispctl.Model) []table {
	return []table{
		{`SELECT time_zone, keep_days, flow_days FROM metering`, func(row scanner) error {
			return row.Scan(&m.Metering.TimeZone, &m.Metering.KeepDays, &m.Metering.FlowDays)
		}},
		{`SELECT vm, plan, tenant, volume, direction, day, action, rate, applied FROM quota`, func(row scanner) error {
			var one ispctl.Quota
			err := row.Scan(&one.VM, &one.Plan, &one.Tenant, &one.Volume, &one.Direction, &one.Day, &one.Action, &one.Rate, &one.Applied)
			m.Quotas = append(m.Quotas, one)
			return err
		}},
		{`SELECT plan, currency, volume, included, per_gb, percentile, committed, per_mbit, applied FROM tariff`, func(row scanner) error {
			var one ispctl.Tariff
			err := row.Scan(&one.Plan, &one.Currency, &one.Volume, &one.Included, &one.PerGB, &one.Percentile, &one.Committed, &one.PerMbit, &one.Applied)
			m.Tariffs = append(m.Tariffs, one)
			return err
		}},
		{`SELECT vm.name, acting, rate, until FROM quota_state JOIN vm ON vm.id = quota_state.vm
			WHERE acting <> '' AND lifted = 0 AND wanted <> 'absent'`, func(row scanner) error {
			var one ispctl.Throttle
			err := row.Scan(&one.VM, &one.Action, &one.Rate, text{&one.Until})
			m.Throttles = append(m.Throttles, one)
			return err
		}},
	}
}
