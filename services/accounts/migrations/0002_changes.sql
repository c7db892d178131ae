-- Counts the changes of all users, in the order of their commits: who changes a user holds this row until then. A read that
-- takes it along knows as of which change it is true.
CREATE TABLE changes (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    latest BIGINT NOT NULL CHECK (latest >= 0)
);
INSERT INTO changes (id, latest) VALUES (1, 0);

-- Which of them made this version of the user, and when.
ALTER TABLE users ADD COLUMN change BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN changed_at BIGINT NOT NULL DEFAULT 0;
