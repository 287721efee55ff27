-- +goose Up
-- Sizes of a VM's own in place of its plan's (0: the plan's), the file of its
-- first disk, what it boots in rescue, and what becomes of it at boot.
ALTER TABLE vm ADD COLUMN cpus INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vm ADD COLUMN memory INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vm ADD COLUMN disk_size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vm ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vm ADD COLUMN built INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vm ADD COLUMN restored TEXT NOT NULL DEFAULT '';
ALTER TABLE vm ADD COLUMN cloned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vm ADD COLUMN rescue TEXT NOT NULL DEFAULT '';
ALTER TABLE vm ADD COLUMN start_off INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vm ADD COLUMN start_order INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vm ADD COLUMN start_delay INTEGER NOT NULL DEFAULT 0; -- seconds
UPDATE vm SET number = generation, built = generation;

-- The ids name files, and are never used again.
CREATE TABLE vm_disk (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    vm   INTEGER NOT NULL REFERENCES vm (id) ON DELETE CASCADE,
    name TEXT    NOT NULL,
    slot INTEGER NOT NULL,
    size INTEGER NOT NULL,
    UNIQUE (vm, name),
    UNIQUE (vm, slot)
) STRICT;

CREATE TABLE vm_snapshot (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    vm      INTEGER NOT NULL REFERENCES vm (id) ON DELETE CASCADE,
    name    TEXT    NOT NULL,
    created TEXT    NOT NULL,
    lent    INTEGER NOT NULL,
    UNIQUE (vm, name)
) STRICT;

-- The boot that the host was last seen in.
CREATE TABLE boot (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    boot TEXT NOT NULL
) STRICT;
