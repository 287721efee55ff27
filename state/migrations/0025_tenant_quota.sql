-- +goose Up
-- A quota may be a tenant's: of what all of its VMs use together. One of vm, plan
-- and tenant is not empty.
CREATE TABLE quota_anew (
    vm        TEXT    NOT NULL,
    plan      TEXT    NOT NULL,
    tenant    TEXT    NOT NULL,
    volume    INTEGER NOT NULL,
    direction TEXT    NOT NULL,
    day       INTEGER NOT NULL,
    action    TEXT    NOT NULL,
    rate      INTEGER NOT NULL,
    applied   INTEGER NOT NULL,
    PRIMARY KEY (vm, plan, tenant),
    CHECK ((vm <> '') + (plan <> '') + (tenant <> '') = 1)
) STRICT;
INSERT INTO quota_anew (vm, plan, tenant, volume, direction, day, action, rate, applied)
    SELECT vm, plan, '', volume, direction, day, action, rate, applied FROM quota;
DROP TABLE quota;
ALTER TABLE quota_anew RENAME TO quota;
