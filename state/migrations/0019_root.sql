-- +goose Up
-- Who was handed root on a VM, and whether the operator kept it.
CREATE TABLE vm_root (
    vm       INTEGER PRIMARY KEY REFERENCES vm (id) ON DELETE CASCADE,
    tenant   TEXT    NOT NULL,
    since    TEXT    NOT NULL,
    operator INTEGER NOT NULL
) STRICT;
