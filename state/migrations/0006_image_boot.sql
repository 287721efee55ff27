-- +goose Up

-- An image of others boots by its own boot loader; those that we build, and all
-- that were there before, by a kernel beside the disk.
ALTER TABLE image ADD COLUMN disk_boot INTEGER NOT NULL DEFAULT 0;
