-- +goose Up
-- Where tenants come in by SSH; no row: nowhere.
CREATE TABLE gateway (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    listen TEXT NOT NULL
) STRICT;
