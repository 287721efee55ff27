-- +goose Up
-- A flow limit may be each connection's, and may have a priority; rate 0: only
-- that.
ALTER TABLE flow ADD COLUMN each INTEGER NOT NULL DEFAULT 0;
ALTER TABLE flow ADD COLUMN priority TEXT NOT NULL DEFAULT '';
