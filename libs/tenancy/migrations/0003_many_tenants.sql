-- Creating a tenant forgets the requests of the day before: by this index, not by looking at all of them.
CREATE INDEX request_by_age ON control.request (created_at);
