-- The frame log by months: an old month goes at once, as a table, instead of row by row.
--
-- Stop the workers, then:  psql "$DATABASE_URL" --set=ON_ERROR_STOP=1 --single-transaction --file=partition_messages.sql
-- What there is already becomes the first partition, up to the end of this month; its unique index is built anew.
-- Once a day afterwards:   SELECT ocpp_keep_message_partitions(90);  -- days; and OCPP_RETENTION={"messages": null}

DO $$
DECLARE
    found record;
    definition text;
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = 'ocpp_app_message'::regclass) = 'p' THEN
        RAISE EXCEPTION 'ocpp_app_message is partitioned already.';
    END IF;
    LOCK TABLE ocpp_app_message;
    ALTER TABLE ocpp_app_message RENAME TO ocpp_app_message_first;
    CREATE TABLE ocpp_app_message (LIKE ocpp_app_message_first INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
        PARTITION BY RANGE (at);
    -- Unique within a partition, so the time is part of it. A request that comes again has the same time of receipt.
    ALTER TABLE ocpp_app_message_first DROP CONSTRAINT ocpp_app_message_pkey;
    ALTER TABLE ocpp_app_message ADD CONSTRAINT ocpp_app_message_pkey PRIMARY KEY (id, at);
    ALTER TABLE ocpp_app_message_first DROP CONSTRAINT ocpp_app_message_relay_id_key;
    ALTER TABLE ocpp_app_message ADD CONSTRAINT ocpp_app_message_relay_id_key UNIQUE (relay_id, at);
    -- All other indexes and foreign keys as they were; those of the first partition are found again when it is attached.
    FOR found IN
        SELECT i.indexrelid::regclass AS name, c.conname, pg_get_indexdef(i.indexrelid) AS definition
        FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype = 'u'
        WHERE i.indrelid = 'ocpp_app_message_first'::regclass
    LOOP
        definition := replace(found.definition, 'CREATE UNIQUE INDEX', 'CREATE INDEX');
        IF definition <> found.definition THEN  -- of a command; its frame is written once
            EXECUTE CASE WHEN found.conname IS NULL THEN format('DROP INDEX %s', found.name)
                ELSE format('ALTER TABLE ocpp_app_message_first DROP CONSTRAINT %I', found.conname) END;
        ELSE
            EXECUTE format('ALTER INDEX %s RENAME TO %s_first', found.name, found.name);
        END IF;
        EXECUTE replace(definition, 'ocpp_app_message_first', 'ocpp_app_message');
    END LOOP;
    FOR found IN
        SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
        WHERE conrelid = 'ocpp_app_message_first'::regclass AND contype = 'f'
    LOOP
        EXECUTE format('ALTER TABLE ocpp_app_message ADD CONSTRAINT %I %s', found.conname, found.definition);
    END LOOP;
    -- The keys go on where they were.
    EXECUTE format('CREATE SEQUENCE ocpp_app_message_key AS bigint START %s',
        nextval(pg_get_serial_sequence('ocpp_app_message_first', 'id')));
    ALTER TABLE ocpp_app_message_first ALTER id DROP IDENTITY;
    ALTER TABLE ocpp_app_message ALTER id SET DEFAULT nextval('ocpp_app_message_key');
    ALTER SEQUENCE ocpp_app_message_key OWNED BY ocpp_app_message.id;
    EXECUTE format('ALTER TABLE ocpp_app_message ATTACH PARTITION ocpp_app_message_first FOR VALUES FROM (MINVALUE) TO (%L)',
        (date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC');
    CREATE TABLE ocpp_app_message_other PARTITION OF ocpp_app_message DEFAULT;  -- for clocks that are far from ours
END $$;

-- Makes the partitions of the next three months, and drops those whose last message is older than so many days.
CREATE OR REPLACE FUNCTION ocpp_keep_message_partitions(days integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month timestamptz;
    partition record;
BEGIN
    FOR ahead IN 1..3 LOOP
        month := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead)) AT TIME ZONE 'UTC';
        EXECUTE format('CREATE TABLE IF NOT EXISTS ocpp_app_message_%s PARTITION OF ocpp_app_message FOR VALUES FROM (%L) TO (%L)',
            to_char(month AT TIME ZONE 'UTC', 'YYYY_MM'), month, (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
    END LOOP;
    FOR partition IN
        SELECT c.oid::regclass AS name,
            substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''(.+)''\)')::timestamptz AS ends
        FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid WHERE i.inhparent = 'ocpp_app_message'::regclass
    LOOP
        IF partition.ends < now() - make_interval(days => days) THEN
            EXECUTE format('DROP TABLE %s', partition.name);
        END IF;
    END LOOP;
END $$;

SELECT ocpp_keep_message_partitions(36500);
