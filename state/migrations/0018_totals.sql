-- +goose Up
-- What all guests of a zone or a tenant may have of the uplink together, in bits
-- per second; 0: not said.
CREATE TABLE total (
    kind      TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    slot      INTEGER NOT NULL UNIQUE,
    down      INTEGER NOT NULL,
    up        INTEGER NOT NULL,
    guarantee INTEGER NOT NULL,
    applied   INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER total_of_zone AFTER DELETE ON zone BEGIN
    DELETE FROM total WHERE kind = 'zone' AND name = OLD.name;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER total_of_tenant AFTER DELETE ON tenant BEGIN
    DELETE FROM total WHERE kind = 'tenant' AND name = OLD.name;
END;
-- +goose StatementEnd
