-- +goose Up
-- How usage is kept, and what becomes of it. Volumes are bytes, rates bits per
-- second, prices millionths of the currency.
CREATE TABLE metering (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    time_zone TEXT    NOT NULL,
    keep_days INTEGER NOT NULL
) STRICT;

-- One of vm and plan is empty.
CREATE TABLE quota (
    vm        TEXT    NOT NULL,
    plan      TEXT    NOT NULL,
    volume    INTEGER NOT NULL,
    direction TEXT    NOT NULL,
    day       INTEGER NOT NULL,
    action    TEXT    NOT NULL,
    rate      INTEGER NOT NULL,
    applied   INTEGER NOT NULL,
    PRIMARY KEY (vm, plan),
    CHECK ((vm = '') <> (plan = ''))
) STRICT;

-- How far a VM has come in the present period of its quota. acting is what is
-- done to it; lifted says that somebody took that back until the period ends.
CREATE TABLE quota_state (
    vm     INTEGER PRIMARY KEY REFERENCES vm (id) ON DELETE CASCADE,
    since  TEXT    NOT NULL,
    until  TEXT    NOT NULL,
    step   INTEGER NOT NULL,
    acting TEXT    NOT NULL,
    rate   INTEGER NOT NULL,
    lifted INTEGER NOT NULL
) STRICT;

CREATE TABLE tariff (
    plan       TEXT PRIMARY KEY REFERENCES plan (name) ON DELETE CASCADE,
    currency   TEXT    NOT NULL,
    volume     TEXT    NOT NULL,
    included   INTEGER NOT NULL,
    per_gb     INTEGER NOT NULL,
    percentile TEXT    NOT NULL,
    committed  INTEGER NOT NULL,
    per_mbit   INTEGER NOT NULL,
    applied    INTEGER NOT NULL
) STRICT;
