-- +goose Up
-- Whether the kernel may merge equal pages of a zone's guests.
ALTER TABLE zone ADD COLUMN ksm INTEGER NOT NULL DEFAULT 0;
