package operations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ispctl"
	"ispctl/meter"
	"ispctl/state"
)

// usedCache is what was used until a while ago, so that only what is new has to
// be read. Samples that are booked later into that time are missed until it is
// made anew.
type usedCache struct {
	made time.Time
	upTo meter.Slot
	base map[meter.Period]map[string]meter.Pair // by period, and VM or tenant: traffic with the Internet
}

const usedCacheAge = time.Hour

// tenantKey is what a tenant's sum is found by among those of UUIDs.
func tenantKey(tenant ispctl.Name) string { return "tenant " + string(tenant) }

// countedBy is whose traffic a quota of a VM counts.
func countedBy(q ispctl.Quota, vm ispctl.VM) string {
	if q.Tenant != "" {
		return tenantKey(q.Tenant)
	}
	return vm.UUID
}

// used is the traffic with the Internet of every VM in a period so far, by
// UUID, and of every tenant, with what was corrected. Nobody has used less than nothing.
func (s *Sampler) usedIn(ctx context.Context, period meter.Period, now time.Time) (map[string]meter.Pair, error) {
	if now.Sub(s.used.made).Abs() > usedCacheAge {
		// The last hour is read anew each time: most of what is late is of it.
		s.used = usedCache{made: now, upTo: meter.SlotAt(now.Add(-time.Hour)), base: map[meter.Period]map[string]meter.Pair{}}
	}
	meters, err := s.usage.Meters(ctx)
	if err != nil {
		return nil, err
	}
	refs := map[meter.ID][]string{}
	for _, m := range meters {
		if m.Kind != state.VMMeter {
			continue
		}
		refs[m.ID] = []string{m.Ref}
		if m.Tenant != "" {
			refs[m.ID] = append(refs[m.ID], tenantKey(ispctl.Name(m.Tenant)))
		}
	}
	span := state.SpanOf(period)
	base, there := s.used.base[period]
	if !there {
		until := max(span.First, min(span.End, s.used.upTo))
		if base, err = s.internetOf(ctx, refs, state.Span{First: span.First, End: until}); err != nil {
			return nil, err
		}
		s.used.base[period] = base
	}
	all, err := s.internetOf(ctx, refs, state.Span{First: max(span.First, s.used.upTo), End: span.End})
	if err != nil {
		return nil, err
	}
	for uuid, pair := range base {
		all[uuid] = all[uuid].Plus(pair)
	}
	corrections, err := s.usage.Corrections(ctx, span)
	if err != nil {
		return nil, err
	}
	sums := map[string][2]int64{}
	for _, c := range corrections {
		for _, ref := range refs[c.Meter] {
			sums[ref] = [2]int64{sums[ref][0] + c.In, sums[ref][1] + c.Out}
		}
	}
	for ref, by := range sums {
		pair := all[ref]
		pair.In.Bytes, pair.Out.Bytes = corrected(pair.In.Bytes, by[0]), corrected(pair.Out.Bytes, by[1])
		all[ref] = pair
	}
	return all, nil
}

// internetOf is the traffic of VMs with the Internet in a span, by what each meter
// counts for.
func (s *Sampler) internetOf(ctx context.Context, refs map[meter.ID][]string, span state.Span) (map[string]meter.Pair, error) {
	sums, err := s.usage.Sums(ctx, span, nil)
	if err != nil {
		return nil, err
	}
	all := map[string]meter.Pair{}
	for id, counts := range sums {
		for _, ref := range refs[id] {
			all[ref] = all[ref].Plus(counts[meter.Internet])
		}
	}
	return all, nil
}

// corrected adds a difference.
func corrected(n uint64, by int64) uint64 {
	if by < 0 && uint64(-by) > n {
		return 0
	}
	return n + uint64(by)
}

// JudgeQuotas looks who has passed a mark of their quota, keeps that, and tells
// of it. It reports whether what is done to anybody has changed, so that a pass
// of converge is due.
func (s *Sampler) JudgeQuotas(ctx context.Context) (changed bool, err error) {
	if err := s.refresh(ctx); err != nil {
		return false, err
	}
	states, err := s.p.Store.QuotaStates(ctx)
	if err != nil {
		return false, err
	}
	if len(states)+len(s.model.Quotas) == 0 {
		return false, nil
	}
	now := s.p.Clock.Now()
	var verdicts []verdict
	used := s.usedBy(ctx, now)
	for vm := range s.model.Guests() {
		v, err := s.judge(vm, used, states, now)
		if err != nil {
			return false, err
		}
		if v != nil {
			verdicts = append(verdicts, *v)
			changed = changed || v.acts
		}
	}
	if len(verdicts) == 0 {
		return false, nil
	}
	entry := state.Entry{Actor: s.p.Actor, Operation: "quota", Object: verdicts[0].object()}
	for _, v := range verdicts {
		entry.Detail += v.String() + "\n"
	}
	_, err = s.p.Store.Update(ctx, entry, func(tx *state.Tx) error {
		for _, v := range verdicts {
			put := tx.PutQuotaState
			if v.quota == (ispctl.Quota{}) {
				put = func(s state.QuotaState) error { return tx.DeleteQuotaState(s.VM) }
			}
			if err := put(v.next); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	// What is kept is told once; whoever is killed in between was to be told
	// rather twice than never, but a hook that fails must not stop the rest.
	var errs []error
	told := map[string]bool{} // of a tenant's quota its VMs are not told one by one
	for _, v := range verdicts {
		for _, e := range v.events {
			once := string(e) + " " + string(v.quota.Tenant)
			if s.p.Notify == nil || v.quota.Tenant != "" && told[once] {
				continue
			}
			told[once] = true
			errs = append(errs, s.p.Notify(ctx, v.notice(e, now)))
		}
	}
	return changed, errors.Join(errs...)
}

// verdict is that something about a VM's quota has changed.
type verdict struct {
	vm     ispctl.VM
	quota  ispctl.Quota
	used   uint64
	next   state.QuotaState
	events []meter.Event
	acts   bool
}

func (v verdict) object() string { return "vm " + string(v.vm.Name) }

func (v verdict) String() string {
	return fmt.Sprintf("vm %s: %v of %s used %d of %d bytes", v.vm.Name, v.events, v.quota.Direction, v.used, int64(v.quota.Volume))
}

func (v verdict) notice(e meter.Event, now time.Time) QuotaNotice {
	return QuotaNotice{
		Event: e, VM: v.vm.Name, UUID: v.vm.UUID, Plan: v.vm.Plan, Tenant: v.quota.Tenant, Used: v.used, Volume: int64(v.quota.Volume), Direction: v.quota.Direction,
		Action: v.quota.Action, Rate: int64(v.quota.Rate), From: v.next.Since.UTC(), Until: v.next.Until.UTC(), At: now.UTC(),
	}
}

// usedBy reads what was used once for each period that is asked for.
func (s *Sampler) usedBy(ctx context.Context, now time.Time) func(q ispctl.Quota) (map[string]meter.Pair, error) {
	read := map[meter.Period]map[string]meter.Pair{}
	return func(q ispctl.Quota) (all map[string]meter.Pair, err error) {
		period := s.calendar.Month(now, q.Day)
		all, there := read[period]
		if !there {
			all, err = s.usedIn(ctx, period, now)
			read[period] = all
		}
		return all, err
	}
}

// judge is nil when all is as it was. Who has no quota any more is let go.
func (s *Sampler) judge(vm ispctl.VM, usedBy func(ispctl.Quota) (map[string]meter.Pair, error), states map[int64]state.QuotaState, now time.Time) (*verdict, error) {
	quota, limited := s.model.QuotaOf(vm)
	before, known := states[vm.ID]
	if !limited {
		if !known {
			return nil, nil
		}
		return &verdict{vm: vm, next: state.QuotaState{VM: vm.ID}, events: meter.Unlimited(meter.Standing{Acting: before.Acting}), acts: before.Acting != ""}, nil
	}
	used, err := usedBy(quota)
	if err != nil {
		return nil, err
	}
	n := meter.Bytes(quota.Direction, used[countedBy(quota, vm)])
	standing := meter.Standing{
		Period: meter.Period{From: before.Since, To: before.Until}, Step: before.Step, Acting: before.Acting, Rate: before.Rate, Lifted: before.Lifted,
	}
	next, events := meter.Judge(quota, n, standing, s.calendar, now)
	if known && next == standing {
		return nil, nil
	}
	return &verdict{
		vm: vm, quota: quota, used: n, events: events, acts: next.Acting != standing.Acting || next.Rate != standing.Rate,
		next: state.QuotaState{
			VM: vm.ID, Since: next.Period.From, Until: next.Period.To, Step: next.Step, Acting: next.Acting, Rate: next.Rate, Lifted: next.Lifted,
		},
	}, nil
}
