-- +goose Up
-- Whom guests speak to, by hour: which zones, and for how long it is kept.
ALTER TABLE zone ADD COLUMN flows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE metering ADD COLUMN flow_days INTEGER NOT NULL DEFAULT 0;
