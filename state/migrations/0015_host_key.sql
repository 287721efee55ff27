-- +goose Up
-- The public half of a guest's SSH host key, unless the guest made its own. No two
-- guests have the same.
CREATE TABLE host_key (
	vm INTEGER PRIMARY KEY REFERENCES vm (id) ON DELETE CASCADE,
	key TEXT NOT NULL UNIQUE
) STRICT;
