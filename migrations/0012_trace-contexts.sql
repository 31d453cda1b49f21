-- Up Migration
-- Adds trace_context to notification_outbox, deferred and dead_letters: the trace that a message belongs to, if its sender names one.

-- {"traceparent", "tracestate"}, as the properties of the message have them. NULL: it names none, or tracing was off.
ALTER TABLE notification_outbox ADD COLUMN IF NOT EXISTS trace_context json;
ALTER TABLE deferred ADD COLUMN IF NOT EXISTS trace_context json;
ALTER TABLE dead_letters ADD COLUMN IF NOT EXISTS trace_context json;

-- Down Migration
-- Drops trace_context. The messages themselves stay.

ALTER TABLE IF EXISTS dead_letters DROP COLUMN IF EXISTS trace_context;
ALTER TABLE IF EXISTS deferred DROP COLUMN IF EXISTS trace_context;
ALTER TABLE IF EXISTS notification_outbox DROP COLUMN IF EXISTS trace_context;
