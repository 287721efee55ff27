-- +goose Up
-- Intent. Times are RFC 3339 UTC, sizes bytes, addresses and prefixes as text.
CREATE TABLE uplink (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    interface TEXT NOT NULL,
    kind      TEXT NOT NULL,
    address   TEXT NOT NULL,
    gateway   TEXT NOT NULL
) STRICT;

CREATE TABLE host_service (
    port  INTEGER NOT NULL,
    proto TEXT    NOT NULL,
    PRIMARY KEY (port, proto)
) STRICT;

CREATE TABLE address (
    addr    TEXT PRIMARY KEY,
    applied INTEGER NOT NULL
) STRICT;

CREATE TABLE zone (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT    NOT NULL UNIQUE,
    prefix  TEXT    NOT NULL,
    vlan    INTEGER NOT NULL,
    snat    TEXT    NOT NULL,
    egress  INTEGER NOT NULL,
    isolated INTEGER NOT NULL,
    mtu     INTEGER NOT NULL,
    dhcp    INTEGER NOT NULL,
    dns     INTEGER NOT NULL,
    applied INTEGER NOT NULL
) STRICT;

CREATE TABLE plan (
    name    TEXT PRIMARY KEY,
    cpus    INTEGER NOT NULL,
    memory  INTEGER NOT NULL,
    disk    INTEGER NOT NULL,
    applied INTEGER NOT NULL
) STRICT;

CREATE TABLE image (
    digest  TEXT PRIMARY KEY,
    name    TEXT    NOT NULL,
    size    INTEGER NOT NULL,
    cmdline TEXT    NOT NULL,
    built   TEXT    NOT NULL
) STRICT;

-- What a VM names is checked by the model's validation, which an absent VM is
-- past: its zone and plan may go before the last layer has let go of it.
CREATE TABLE vm (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid     TEXT    NOT NULL UNIQUE,
    name     TEXT    NOT NULL UNIQUE,
    zone     TEXT    NOT NULL,
    plan     TEXT    NOT NULL,
    template TEXT    NOT NULL,
    image    TEXT    NOT NULL,
    wanted   TEXT    NOT NULL CHECK (wanted IN ('running', 'stopped', 'absent')),
    created  TEXT    NOT NULL,
    applied  INTEGER NOT NULL
) STRICT;

CREATE TABLE vm_key (
    vm  INTEGER NOT NULL REFERENCES vm (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    key TEXT    NOT NULL,
    PRIMARY KEY (vm, seq)
) STRICT;

CREATE TABLE nic (
    vm   INTEGER NOT NULL REFERENCES vm (id) ON DELETE CASCADE,
    idx  INTEGER NOT NULL,
    zone TEXT    NOT NULL,
    mac  TEXT    NOT NULL UNIQUE,
    tap  TEXT    NOT NULL UNIQUE,
    addr TEXT    NOT NULL,
    PRIMARY KEY (vm, idx),
    UNIQUE (zone, addr)
) STRICT;

CREATE TABLE forward (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    addr    TEXT    NOT NULL REFERENCES address (addr),
    port    INTEGER NOT NULL,
    proto   TEXT    NOT NULL,
    vm      TEXT    NOT NULL REFERENCES vm (name),
    vm_port INTEGER NOT NULL,
    applied INTEGER NOT NULL,
    UNIQUE (addr, port, proto)
) STRICT;

-- Status: what became of intent. Never read to decide what to do.
CREATE TABLE vm_phase (
    vm    INTEGER NOT NULL REFERENCES vm (id) ON DELETE CASCADE,
    phase TEXT    NOT NULL,
    at    TEXT    NOT NULL,
    PRIMARY KEY (vm, phase)
) STRICT;

CREATE TABLE status (
    object TEXT PRIMARY KEY,
    error  TEXT NOT NULL,
    at     TEXT NOT NULL
) STRICT;

-- Journal: who asked for what, and what it took.
CREATE TABLE journal (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    at        TEXT NOT NULL,
    actor     TEXT NOT NULL,
    operation TEXT NOT NULL,
    object    TEXT NOT NULL,
    detail    TEXT NOT NULL
) STRICT;
CREATE TABLE policy (
    from_end  TEXT    NOT NULL,
    to_end    TEXT    NOT NULL,
    transport TEXT    NOT NULL,
    port      INTEGER NOT NULL,
    family    TEXT    NOT NULL,
    log       INTEGER NOT NULL,
    applied   INTEGER NOT NULL,
    PRIMARY KEY (from_end, to_end, transport, port, family)
) STRICT;
