-- +goose Up
-- A limit that is no number is a word: the CPUs a guest is pinned to.
ALTER TABLE plan_limit ADD COLUMN word TEXT NOT NULL DEFAULT '';
ALTER TABLE vm_limit ADD COLUMN word TEXT NOT NULL DEFAULT '';
