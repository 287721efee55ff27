-- +goose Up
-- How often a VM's disk was made anew, and whether its processors stand still.
ALTER TABLE vm ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vm ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
