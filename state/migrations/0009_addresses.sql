-- +goose Up
-- What the provider delivers to the uplink, and how long, in seconds, an address
-- that was given back rests; 0: as long as the program thinks right.
ALTER TABLE uplink ADD COLUMN rest INTEGER NOT NULL DEFAULT 0;

CREATE TABLE delivered (
    prefix TEXT PRIMARY KEY
) STRICT;
