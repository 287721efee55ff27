-- +goose Up
-- Tenants, what of the provider they may have at the most, and the keys they
-- come to the gateway with. A VM without a tenant is the operator's own.
CREATE TABLE tenant (
    name      TEXT PRIMARY KEY,
    title     TEXT    NOT NULL,
    contact   TEXT    NOT NULL,
    suspended INTEGER NOT NULL,
    applied   INTEGER NOT NULL
) STRICT;

CREATE TABLE tenant_key (
    tenant      TEXT    NOT NULL REFERENCES tenant (name) ON DELETE CASCADE,
    seq         INTEGER NOT NULL,
    fingerprint TEXT    NOT NULL UNIQUE,
    key         TEXT    NOT NULL,
    PRIMARY KEY (tenant, seq)
) STRICT;

CREATE TABLE tenant_share (
    tenant TEXT    NOT NULL REFERENCES tenant (name) ON DELETE CASCADE,
    name   TEXT    NOT NULL,
    value  INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT;

ALTER TABLE vm ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
