-- The board of a contest. Times are UTC, as 2027-03-01T12:00:00Z. JSON is in columns of type TEXT.

-- How the contest goes: one row. `changed` events hold what it was before.
CREATE TABLE contest (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    title TEXT NOT NULL,
    rule TEXT NOT NULL CHECK (rule IN ('best', 'last')),
    daily_limit INTEGER CHECK (daily_limit > 0),
    opens TEXT,
    closes TEXT,
    finished TEXT,
    scoring_version INTEGER NOT NULL,
    plantkit_version TEXT NOT NULL
);

-- What submissions are scored on. `results` is what `plantkit evaluate --format json` prints,
-- without pruners and records: the protocol, and the challenges with their manifests.
CREATE TABLE phases (
    name TEXT PRIMARY KEY CHECK (name IN ('public', 'final')),
    results TEXT NOT NULL CHECK (json_valid(results))
);

CREATE TABLE teams (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    is_reference INTEGER NOT NULL DEFAULT 0 CHECK (is_reference IN (0, 1))
);

CREATE TABLE authors (
    team INTEGER NOT NULL REFERENCES teams (id),
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (team, position)
);

-- identity: the digest of the files, or the plugin, with the options; of those of a team that are
-- not retracted, no two have the same. sha256: of the files alone.
CREATE TABLE submissions (
    id INTEGER PRIMARY KEY,
    team INTEGER NOT NULL REFERENCES teams (id),
    submitted TEXT NOT NULL,
    label TEXT NOT NULL,
    sha256 TEXT,
    identity TEXT NOT NULL,
    retracted INTEGER NOT NULL DEFAULT 0 CHECK (retracted IN (0, 1))
);

-- What came of a submission in a phase. `results` is as in `phases`, with one pruner and its
-- records, and without `challenges`. masks_sha256: of the digests of all its masks.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    submission INTEGER NOT NULL REFERENCES submissions (id),
    phase TEXT NOT NULL REFERENCES phases (name),
    masks_sha256 TEXT NOT NULL,
    results TEXT NOT NULL CHECK (json_valid(results)),
    UNIQUE (submission, phase)
);

-- content: a safetensors file with a tensor of bools for each parameter, compressed by zlib.
CREATE TABLE masks (
    sha256 TEXT PRIMARY KEY,
    content BLOB NOT NULL
);

-- The history: every change, in order. detail: an object that says what was changed.
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    team INTEGER REFERENCES teams (id),
    submission INTEGER REFERENCES submissions (id),
    detail TEXT NOT NULL CHECK (json_valid(detail))
);

CREATE UNIQUE INDEX submissions_once ON submissions (team, identity) WHERE NOT retracted;
CREATE INDEX submissions_by_sha256 ON submissions (sha256);
CREATE INDEX runs_by_masks ON runs (masks_sha256);

CREATE VIEW records AS
SELECT
    runs.submission AS submission,
    runs.phase AS phase,
    json_extract(value, '$.challenge') AS challenge,
    json_extract(value, '$.target_density') AS target_density,
    json_extract(value, '$.seed') AS seed,
    json_extract(value, '$.status') AS status,
    json_extract(value, '$.strong.recovered_accuracy') AS strong_recovered_accuracy,
    json_extract(value, '$.strong.recovered_digits') AS strong_recovered_digits,
    json_extract(value, '$.weak.recovered_accuracy') AS weak_recovered_accuracy,
    json_extract(value, '$.weak.recovered_digits') AS weak_recovered_digits,
    json_extract(value, '$.overlap.adjusted_recall') AS overlap,
    json_extract(value, '$.seconds') AS seconds,
    json_extract(value, '$.mask_sha256') AS mask_sha256,
    json_extract(value, '$.error') AS error
FROM runs, json_each(runs.results, '$.records');

-- What was written stays: nobody changes history, results or masks, not even by accident.
CREATE TRIGGER events_stay BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER events_are_kept BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
CREATE TRIGGER runs_stay BEFORE UPDATE ON runs
BEGIN SELECT RAISE(ABORT, 'results are never changed'); END;
CREATE TRIGGER runs_are_kept BEFORE DELETE ON runs
BEGIN SELECT RAISE(ABORT, 'results are never deleted'); END;
CREATE TRIGGER masks_stay BEFORE UPDATE ON masks
BEGIN SELECT RAISE(ABORT, 'masks are never changed'); END;
CREATE TRIGGER masks_are_kept BEFORE DELETE ON masks
BEGIN SELECT RAISE(ABORT, 'masks are never deleted'); END;
CREATE TRIGGER phases_stay BEFORE UPDATE ON phases
BEGIN SELECT RAISE(ABORT, 'what is scored on is never changed'); END;
CREATE TRIGGER submissions_are_kept BEFORE DELETE ON submissions
BEGIN SELECT RAISE(ABORT, 'submissions are never deleted, but retracted'); END;
CREATE TRIGGER teams_are_kept BEFORE DELETE ON teams
BEGIN SELECT RAISE(ABORT, 'teams are never deleted'); END;
