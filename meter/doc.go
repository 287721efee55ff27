// Package meter turns what counters say into what was used, and that into
// samples, months, quotas and bills. It is pure: it reads no clock, no counter
// and no database.
//
// # From counters to samples
//
// A [Ledger] remembers what every counter said last. Given the next [Reading]
// it works out what has passed since, and books it into slots of five minutes
// of UTC. Ledger and samples are stored in one transaction, so that a process
// may be killed at any point: the next one reads the same counters, which went
// on without it.
//
// Nothing is ever booked twice. What is lost is at most what passed between the
// last reading that was stored and a loss of the counter itself: a restart of
// the host, or of the counters' table.
//
//   - A counter that says less than before began anew: all it says is new.
//   - Another boot of the host: all counters began anew.
//   - How long ago the last reading was is told by the clock that counts from
//     boot. The wall clock only says which slots these are; it may jump.
//   - What passed while nobody read is spread evenly over that time, so that no
//     false peak comes of it.
//
// # From samples to months
//
// A day and a month are those of a configured time zone, of 23, 24 or 25 hours.
// The 95th percentile is taken of the true five-minute samples of the month,
// never of roll-ups; slots in which nothing passed count as zero.
package meter
