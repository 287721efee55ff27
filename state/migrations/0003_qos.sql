-- +goose Up
-- Rates are bits per second, sizes bytes; 0: not said.
ALTER TABLE uplink ADD COLUMN down INTEGER NOT NULL DEFAULT 0;
ALTER TABLE uplink ADD COLUMN up INTEGER NOT NULL DEFAULT 0;

-- A limit of a plan, or one of a VM in its place; -1: none.
CREATE TABLE plan_limit (
    plan  TEXT    NOT NULL REFERENCES plan (name) ON DELETE CASCADE,
    name  TEXT    NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (plan, name)
) STRICT;

CREATE TABLE vm_limit (
    vm    INTEGER NOT NULL REFERENCES vm (id) ON DELETE CASCADE,
    name  TEXT    NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (vm, name)
) STRICT;

CREATE TABLE flow (
    vm        TEXT    NOT NULL REFERENCES vm (name) ON DELETE CASCADE,
    slot      INTEGER NOT NULL,
    transport TEXT    NOT NULL,
    port      INTEGER NOT NULL,
    remote    TEXT    NOT NULL,
    rate      INTEGER NOT NULL,
    applied   INTEGER NOT NULL,
    PRIMARY KEY (vm, slot)
) STRICT;
