-- +goose Up
-- Usage, in a file of its own: it grows, it is written every few seconds, and
-- whatever becomes of it, intent stands.

-- A VM while it is in one zone and with one tenant, or an external address. A
-- row stays when its VM goes: what it used is still billed. ref is the VM's
-- UUID, or the address; name and plan are the last that were seen.
CREATE TABLE meter (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    kind   TEXT NOT NULL CHECK (kind IN ('vm', 'address')),
    ref    TEXT NOT NULL,
    name   TEXT NOT NULL,
    zone   TEXT NOT NULL,
    tenant TEXT NOT NULL,
    plan   TEXT NOT NULL,
    since  TEXT NOT NULL,
    UNIQUE (kind, ref, zone, tenant)
) STRICT;

-- How far the counters have been booked; seq goes up with each reading.
CREATE TABLE ledger (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    seq  INTEGER NOT NULL,
    data BLOB    NOT NULL
) STRICT;

-- Five-minute samples as they come: a row has all meters of a slot, or those
-- that were booked late. Slots are numbers of five minutes since 1970.
CREATE TABLE slot (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    slot INTEGER NOT NULL,
    data BLOB    NOT NULL
) STRICT;
CREATE INDEX slot_slot ON slot (slot);

-- The samples of days that are over, by meter: the sum, and the series it is
-- of. step is how many slots each value of the series is of: 1, or more once
-- the samples were thinned.
CREATE TABLE day (
    meter  INTEGER NOT NULL REFERENCES meter (id),
    first  INTEGER NOT NULL,
    end    INTEGER NOT NULL,
    step   INTEGER NOT NULL,
    sum    BLOB    NOT NULL,
    series BLOB    NOT NULL,
    PRIMARY KEY (meter, first)
) STRICT, WITHOUT ROWID;
CREATE INDEX day_first ON day (first, meter);
CREATE INDEX day_step ON day (step, end);

-- Figures of months whose samples were thinned, as JSON: they are never
-- changed again.
CREATE TABLE month (
    name    TEXT PRIMARY KEY,
    closed  TEXT NOT NULL,
    figures TEXT NOT NULL
) STRICT;

-- A sample is never changed. What was wrong is set right by a row of its own.
CREATE TABLE correction (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    meter     INTEGER NOT NULL REFERENCES meter (id),
    slot      INTEGER NOT NULL,
    in_bytes  INTEGER NOT NULL,
    out_bytes INTEGER NOT NULL,
    reason    TEXT    NOT NULL,
    actor     TEXT    NOT NULL,
    at        TEXT    NOT NULL
) STRICT;

-- What a reading found that is worth knowing.
CREATE TABLE note (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    slot INTEGER NOT NULL,
    at   TEXT    NOT NULL,
    text TEXT    NOT NULL
) STRICT;
