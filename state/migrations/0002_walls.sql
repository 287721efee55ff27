-- +goose Up
-- IPv6, admin legs, trunks, the ways of external addresses, port ranges.
-- Lists are words with a space between them.
ALTER TABLE uplink ADD COLUMN address6 TEXT NOT NULL DEFAULT '';
ALTER TABLE uplink ADD COLUMN gateway6 TEXT NOT NULL DEFAULT '';
ALTER TABLE uplink ADD COLUMN on_move TEXT NOT NULL DEFAULT '';

ALTER TABLE zone ADD COLUMN prefix6 TEXT NOT NULL DEFAULT '';
ALTER TABLE zone ADD COLUMN trunk TEXT NOT NULL DEFAULT '';
ALTER TABLE zone ADD COLUMN leg TEXT NOT NULL DEFAULT '';

ALTER TABLE nic ADD COLUMN role TEXT NOT NULL DEFAULT '';
ALTER TABLE nic ADD COLUMN addr6 TEXT NOT NULL DEFAULT '';
ALTER TABLE nic ADD COLUMN allow TEXT NOT NULL DEFAULT '';
ALTER TABLE nic ADD COLUMN tags TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX nic_addr6 ON nic (zone, addr6) WHERE addr6 <> '';

ALTER TABLE address ADD COLUMN mode TEXT NOT NULL DEFAULT '';
ALTER TABLE address ADD COLUMN vm TEXT NOT NULL DEFAULT '';
ALTER TABLE address ADD COLUMN mac TEXT NOT NULL DEFAULT '';

-- An address that was given back, and who had it: nobody else gets it before
-- that time.
CREATE TABLE address_rest (
    addr  TEXT PRIMARY KEY,
    vm    TEXT NOT NULL,
    until TEXT NOT NULL
) STRICT;

CREATE TABLE admin_net (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    prefix TEXT NOT NULL
) STRICT;

CREATE TABLE admin_link (
    name TEXT PRIMARY KEY
) STRICT;

CREATE TABLE admin_service (
    port  INTEGER NOT NULL,
    proto TEXT    NOT NULL,
    PRIMARY KEY (port, proto)
) STRICT;

-- A forward of IPv6 opens a port of the guest's own address, which is no
-- external address of ours: the reference goes. last_port is the end of a
-- range; 0: one port.
CREATE TABLE forward_new (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    addr      TEXT    NOT NULL,
    port      INTEGER NOT NULL,
    last_port INTEGER NOT NULL DEFAULT 0,
    proto     TEXT    NOT NULL,
    vm        TEXT    NOT NULL REFERENCES vm (name),
    vm_port   INTEGER NOT NULL,
    applied   INTEGER NOT NULL,
    UNIQUE (addr, port, proto)
) STRICT;
INSERT INTO forward_new (id, addr, port, proto, vm, vm_port, applied) SELECT id, addr, port, proto, vm, vm_port, applied FROM forward;
DROP TABLE forward;
ALTER TABLE forward_new RENAME TO forward;
