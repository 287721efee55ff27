-- +goose Up
-- How much of the host is shared out. Sizes are bytes, ratios percent; 0: as by
-- default, -1: without a limit.
CREATE TABLE sharing (
    id                INTEGER PRIMARY KEY CHECK (id = 1),
    reserve           INTEGER NOT NULL,
    memory_overcommit INTEGER NOT NULL,
    disk_overcommit   INTEGER NOT NULL
) STRICT;

-- What the balloons of guests were last told to leave them, and seen to, in bytes.
CREATE TABLE balloon (
    vm     INTEGER PRIMARY KEY REFERENCES vm (id) ON DELETE CASCADE,
    target INTEGER NOT NULL,
    actual INTEGER NOT NULL,
    at     TEXT    NOT NULL
) STRICT;
