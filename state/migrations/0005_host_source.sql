-- +goose Up

-- Who may reach the host's services on the uplink; no row: everybody.
CREATE TABLE host_source (
    prefix TEXT PRIMARY KEY
) STRICT;
