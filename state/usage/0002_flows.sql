-- +goose Up
-- What connections carried, by hour: the largest sums of each meter, and one of
-- all others, whose remote is empty. hour is the number of hours since 1970;
-- opened is whether the VM opened them, so that the port is the remote's.
CREATE TABLE flow (
    hour        INTEGER NOT NULL,
    meter       INTEGER NOT NULL REFERENCES meter (id),
    opened      INTEGER NOT NULL,
    proto       INTEGER NOT NULL,
    port        INTEGER NOT NULL,
    remote      TEXT    NOT NULL,
    flows       INTEGER NOT NULL,
    in_bytes    INTEGER NOT NULL,
    out_bytes   INTEGER NOT NULL,
    in_packets  INTEGER NOT NULL,
    out_packets INTEGER NOT NULL,
    PRIMARY KEY (hour, meter, opened, proto, port, remote)
) STRICT, WITHOUT ROWID;
CREATE INDEX flow_meter ON flow (meter, hour);
