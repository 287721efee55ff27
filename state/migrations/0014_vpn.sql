-- +goose Up
-- The VPN, and the machines that may come in by it. Keys that are secret are
-- files beside the database.
CREATE TABLE vpn (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    port       INTEGER NOT NULL,
    prefix     TEXT    NOT NULL,
    endpoint   TEXT    NOT NULL,
    public_key TEXT    NOT NULL
) STRICT;

CREATE TABLE vpn_service (
    port  INTEGER NOT NULL,
    proto TEXT    NOT NULL,
    PRIMARY KEY (port, proto)
) STRICT;

CREATE TABLE peer (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL UNIQUE,
    role       TEXT    NOT NULL,
    tenant     TEXT    NOT NULL,
    public_key TEXT    NOT NULL UNIQUE,
    addr       TEXT    NOT NULL UNIQUE,
    preshared  INTEGER NOT NULL,
    disabled   INTEGER NOT NULL,
    expires    TEXT    NOT NULL, -- empty: never
    created    TEXT    NOT NULL,
    applied    INTEGER NOT NULL
) STRICT;
