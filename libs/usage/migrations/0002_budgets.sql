-- Budgets and the reservations that keep them. All that changes them holds the tenant's lock (begin_write), so there
-- is one truth however many processes spend: what was spent and what is held never exceeds the amount of a budget
-- that blocks. A function decides a whole group of requests in one round trip: the lock is held for no longer than
-- it takes to decide and to flush.

CREATE TABLE aeterna.budget (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,  -- a DNS label
    org_id text COLLATE "C" NOT NULL,  -- what it is for; empty: any
    team_id text COLLATE "C" NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    period text NOT NULL CHECK (period IN ('day', 'month', 'rolling')),
    window_hours int NOT NULL,  -- of a rolling one, the present hour included; else 0
    amount numeric NOT NULL CHECK (amount > 0),
    currency text NOT NULL,
    thresholds numeric[] NOT NULL,  -- percent, ascending
    action text NOT NULL CHECK (action IN ('notify', 'throttle', 'block')),
    calls_per_minute int NOT NULL,  -- that are let through once a throttling one is spent
    version bigint NOT NULL,
    number bigint NOT NULL,  -- of the change that made this version
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
SELECT aeterna.protect('aeterna.budget');

CREATE TABLE aeterna.budget_state (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    held numeric NOT NULL DEFAULT 0 CHECK (held >= 0),  -- the sum of its open reservations
    next_call_at timestamptz NOT NULL DEFAULT '-infinity',  -- of a throttling one that is spent
    noted_in timestamptz NOT NULL DEFAULT '-infinity',  -- the period of the two columns below
    noted numeric NOT NULL DEFAULT 0,  -- the highest threshold that was told of
    blocked boolean NOT NULL DEFAULT false,  -- whether it was told that calls are refused
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, id) REFERENCES aeterna.budget (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 20);
SELECT aeterna.protect('aeterna.budget_state');

CREATE TABLE aeterna.budget_spend (
    tenant_id text COLLATE "C" NOT NULL,
    budget text COLLATE "C" NOT NULL,
    bucket timestamptz NOT NULL,  -- the day, the month or, of rolling ones, the hour
    spent numeric NOT NULL,
    PRIMARY KEY (tenant_id, budget, bucket),
    FOREIGN KEY (tenant_id, budget) REFERENCES aeterna.budget (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 20);
SELECT aeterna.protect('aeterna.budget_spend');

CREATE TABLE aeterna.budget_reservation (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'settled', 'released', 'expired')),
    amount numeric NOT NULL,  -- at most so much
    settled numeric NOT NULL DEFAULT 0,
    budgets text[] NOT NULL,  -- that hold it
    request jsonb NOT NULL,  -- what was asked for, to know a repeat by; of an allotment a number that grows
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,  -- it stays for a day after that, so that repeats get the same answer
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX budget_reservation_open ON aeterna.budget_reservation (tenant_id, expires_at) WHERE state = 'open';
CREATE INDEX budget_reservation_ended ON aeterna.budget_reservation (tenant_id, ended_at) WHERE ended_at IS NOT NULL;
SELECT aeterna.protect('aeterna.budget_reservation');

-- The bucket that a moment belongs to.
CREATE FUNCTION aeterna.budget_bucket(p_period text, p_at timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE
    RETURN date_trunc(CASE p_period WHEN 'rolling' THEN 'hour' ELSE p_period END, p_at, 'UTC');

-- The first bucket that counts at a moment.
CREATE FUNCTION aeterna.budget_since(p_period text, p_hours int, p_at timestamptz) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE
    RETURN aeterna.budget_bucket(p_period, p_at)
        - CASE p_period WHEN 'rolling' THEN make_interval(hours => p_hours - 1) ELSE interval '0' END;

-- Whether something is for a budget.
CREATE FUNCTION aeterna.budget_for(p_budget aeterna.budget, p_org text, p_team text, p_project text, p_model text)
    RETURNS boolean LANGUAGE sql IMMUTABLE
    RETURN (p_budget).org_id IN ('', p_org) AND (p_budget).team_id IN ('', p_team)
        AND (p_budget).project_id IN ('', p_project) AND (p_budget).model IN ('', p_model);

-- What was spent of a budget at a moment.
CREATE FUNCTION aeterna.budget_spent(p_budget aeterna.budget, p_at timestamptz) RETURNS numeric LANGUAGE sql STABLE
    RETURN coalesce((
        SELECT sum(s.spent) FROM aeterna.budget_spend AS s
        WHERE s.tenant_id = (p_budget).tenant_id AND s.budget = (p_budget).id
          AND s.bucket >= aeterna.budget_since((p_budget).period, (p_budget).window_hours, p_at)), 0);

-- Tells, once in a period, of each threshold that was passed; of a rolling budget again once it was below. Part of a
-- write. A calendar period ends with everything that was told in it.
CREATE FUNCTION aeterna.note_budgets(p_at timestamptz, p_actor text, p_trace text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_tenant text := aeterna.writing_tenant();
    v record;
    v_noted numeric;
    v_threshold numeric;
BEGIN
    FOR v IN
        SELECT b.id, b.amount, b.currency, b.thresholds, b.period, s.noted, s.noted_in, m.spent, m.bucket, m.since,
            coalesce((SELECT max(t) FROM unnest(b.thresholds) AS u (t) WHERE m.spent * 100 >= t * b.amount), 0)
                AS reached
        FROM aeterna.budget AS b JOIN aeterna.budget_state AS s ON s.tenant_id = b.tenant_id AND s.id = b.id,
            LATERAL (SELECT aeterna.budget_spent(b, p_at), aeterna.budget_bucket(b.period, p_at),
                aeterna.budget_since(b.period, b.window_hours, p_at)) AS m (spent, bucket, since)
        WHERE b.tenant_id = v_tenant
    LOOP
        v_noted := CASE WHEN v.period = 'rolling' THEN least(v.noted, v.reached)
            WHEN v.noted_in = v.bucket THEN v.noted ELSE 0 END;
        FOR v_threshold IN SELECT t FROM unnest(v.thresholds) AS u (t) WHERE t > v_noted AND t <= v.reached ORDER BY t
        LOOP
            PERFORM aeterna.raise_alert(uuidv7(), 'budget.threshold',
                CASE WHEN v_threshold >= 100 THEN 'high' WHEN v_threshold >= 90 THEN 'medium' ELSE 'low' END,
                'budgets/' || v.id, jsonb_build_object('percent', v_threshold, 'spent', v.spent::text,
                    'limit', v.amount::text, 'currency', v.currency, 'period_start', v.since), p_actor, p_trace);
        END LOOP;
        IF v.reached > v_noted OR v_noted <> v.noted OR (v.period <> 'rolling' AND v.noted_in <> v.bucket) THEN
            UPDATE aeterna.budget_state SET noted = greatest(v.reached, v_noted), noted_in = v.bucket,
                    blocked = blocked AND noted_in >= v.since
                WHERE tenant_id = v_tenant AND id = v.id;
        END IF;
    END LOOP;
END $$;

-- Counts money that was spent without a reservation. Part of a write.
CREATE FUNCTION aeterna.charge_budgets(p_events jsonb, p_actor text, p_trace text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_tenant text := aeterna.writing_tenant();
BEGIN
    INSERT INTO aeterna.budget_spend AS s (tenant_id, budget, bucket, spent)
        SELECT v_tenant, b.id, aeterna.budget_bucket(b.period, e.used_at), sum(e.amount)
        FROM jsonb_to_recordset(p_events) AS e (used_at timestamptz, model text, org_id text, team_id text,
            project_id text, amount numeric, currency text)
        JOIN aeterna.budget AS b ON b.tenant_id = v_tenant AND b.currency = e.currency
            AND aeterna.budget_for(b, e.org_id, e.team_id, e.project_id, e.model)
        WHERE e.amount > 0 GROUP BY 2, 3
        ON CONFLICT (tenant_id, budget, bucket) DO UPDATE SET spent = s.spent + excluded.spent;
    IF FOUND THEN
        PERFORM aeterna.note_budgets(clock_timestamp(), p_actor, p_trace);
    END IF;
END $$;

-- Ends the leases that are over: what they held is free again. Part of a write.
CREATE FUNCTION aeterna.expire_reservations(p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_tenant text := aeterna.writing_tenant();
BEGIN
    IF NOT EXISTS (SELECT FROM aeterna.budget_reservation
            WHERE tenant_id = v_tenant AND state = 'open' AND expires_at <= p_at) THEN
        RETURN;
    END IF;
    UPDATE aeterna.budget_reservation SET state = 'expired', ended_at = p_at
        WHERE tenant_id = v_tenant AND state = 'open' AND expires_at <= p_at;
    UPDATE aeterna.budget_state AS s SET held = coalesce((
            SELECT sum(r.amount) FROM aeterna.budget_reservation AS r
            WHERE r.tenant_id = v_tenant AND r.state = 'open' AND s.id = ANY (r.budgets)), 0)
        WHERE s.tenant_id = v_tenant;
END $$;

-- Reserves, settles, releases and adjusts, in the order given; every id at most once. A transaction of its own: it
-- begins with the tenant's lock. Errors are those of begin_write. Budgets are kept in arrays while it runs.
--
-- p_commands: objects of op, id and
--   reserve: amount (null: the price is not known), currency, seconds, org_id, team_id, project_id, model;
--   settle: amount, usage (events as of record_usage);
--   release: nothing;
--   adjust: an allotment, which a process divides among its calls: what was spent of it (amount, usage), what is given
--     back (back), what calls need beside what it has (needs) and what it would like to have more (extra). Beside
--     that as reserve; an id that is new begins one. turn: the same in a repeat, else greater than before.
-- Answers an array with an object for each: {"refused": reason, ...} or what became of the reservation.
CREATE FUNCTION aeterna.apply_budgets(
    p_tenant text, p_epoch bigint, p_commands jsonb, p_actor text, p_trace text
) RETURNS jsonb LANGUAGE plpgsql
-- All goes by keys, and no statistics can know how many rows there are by now.
SET plan_cache_mode = force_generic_plan SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off
AS $$
DECLARE
    v_now timestamptz;
    v_count int;
    v_ids text[];
    v_orgs text[];
    v_teams text[];
    v_projects text[];
    v_models text[];
    v_currencies text[];
    v_actions text[];
    v_limits numeric[];
    v_spent numeric[];
    v_held numeric[];
    v_next timestamptz[];
    v_pauses interval[];
    v_periods text[];
    v_since timestamptz[];
    v_added numeric[];
    v_blocked boolean[];
    v_said boolean[];
    c record;
    v_found int[];
    v_names text[];
    v_need numeric;
    v_granted numeric;
    v_extra numeric;
    v_grants boolean[];
    v_fits boolean;
    v_scarce boolean;
    v_refusal jsonb;
    v_answer jsonb;
    v_answers jsonb[] := '{}';
    v_rows jsonb[] := '{}';  -- reservations that are new or changed
    v_usage jsonb := '[]';
    v_holds boolean := false;
    v_spends boolean := false;
    i int;
BEGIN
    PERFORM aeterna.begin_write(p_tenant, p_epoch);
    v_now := clock_timestamp();  -- the lock may have been waited for
    PERFORM aeterna.expire_reservations(v_now);
    SELECT array_agg(b.id), array_agg(b.org_id), array_agg(b.team_id), array_agg(b.project_id), array_agg(b.model),
            array_agg(b.currency), array_agg(b.action), array_agg(b.amount), array_agg(b.spent), array_agg(b.held),
            array_agg(b.next_call_at), array_agg(b.pause), array_agg(b.period), array_agg(b.since),
            array_agg(0::numeric), array_agg(b.told), array_agg(false)
        INTO v_ids, v_orgs, v_teams, v_projects, v_models, v_currencies, v_actions, v_limits, v_spent, v_held, v_next,
            v_pauses, v_periods, v_since, v_added, v_blocked, v_said
        FROM (
            SELECT b.*, s.held, s.next_call_at, make_interval(secs => 60.0 / b.calls_per_minute) AS pause,
                aeterna.budget_since(b.period, b.window_hours, v_now) AS since,
                s.blocked AND s.noted_in >= aeterna.budget_since(b.period, b.window_hours, v_now) AS told,
                aeterna.budget_spent(b, v_now) AS spent
            FROM aeterna.budget AS b JOIN aeterna.budget_state AS s ON s.tenant_id = b.tenant_id AND s.id = b.id
            WHERE b.tenant_id = p_tenant ORDER BY b.id
        ) AS b;
    v_count := coalesce(cardinality(v_ids), 0);
    FOR c IN
        SELECT o.*, r.state, r.amount AS reserved, r.settled, r.budgets, r.request, r.expires_at,
            jsonb_build_array(o.op, o.amount::text, o.currency, o.org_id, o.team_id, o.project_id, o.model) AS asked
        FROM ROWS FROM (jsonb_to_recordset(p_commands) AS (op text, id uuid, amount numeric, currency text,
            seconds double precision, org_id text, team_id text, project_id text, model text, usage jsonb, back numeric,
            extra numeric, needs numeric[], turn bigint)) WITH ORDINALITY AS o (op, id, amount, currency, seconds,
            org_id, team_id, project_id, model, usage, back, extra, needs, turn, place)
        LEFT JOIN LATERAL (
            SELECT * FROM aeterna.budget_reservation AS k WHERE k.tenant_id = p_tenant AND k.id = o.id OFFSET 0
        ) AS r ON true
        ORDER BY o.place
    LOOP
        v_answer := NULL;
        IF c.op IN ('reserve', 'adjust') THEN
            v_found := '{}';
            v_names := '{}';
            FOR i IN 1 .. v_count LOOP
                IF v_currencies[i] = c.currency AND v_orgs[i] IN ('', c.org_id) AND v_teams[i] IN ('', c.team_id)
                        AND v_projects[i] IN ('', c.project_id) AND v_models[i] IN ('', c.model) THEN
                    v_found := v_found || i;
                    v_names := v_names || v_ids[i];
                END IF;
            END LOOP;
        END IF;
        IF c.op = 'reserve' AND c.state IS NOT NULL THEN
            v_answer := CASE WHEN c.request <> c.asked THEN jsonb_build_object('refused', 'REQUEST_ID_REUSED')
                ELSE jsonb_build_object('state', c.state, 'amount', c.reserved::text, 'expires_at', c.expires_at,
                    'budgets', c.budgets) END;
        ELSIF c.op = 'reserve' THEN
            FOREACH i IN ARRAY v_found LOOP
                IF v_actions[i] = 'block' AND c.amount IS NULL THEN
                    v_answer := jsonb_build_object('refused', 'PRICE_UNKNOWN', 'budget', v_ids[i]);
                ELSIF v_actions[i] = 'block' AND v_spent[i] + v_held[i] + c.amount > v_limits[i] THEN
                    v_answer := jsonb_build_object('refused', 'BUDGET_EXCEEDED', 'budget', v_ids[i],
                        'limit', v_limits[i]::text, 'spent', v_spent[i]::text, 'held', v_held[i]::text);
                    v_said[i] := v_said[i] OR NOT v_blocked[i];
                ELSIF v_actions[i] = 'throttle' AND v_spent[i] >= v_limits[i] AND v_next[i] > v_now THEN
                    v_answer := jsonb_build_object('refused', 'BUDGET_THROTTLED', 'budget', v_ids[i],
                        'seconds', extract(epoch FROM v_next[i] - v_now));
                END IF;
                EXIT WHEN v_answer IS NOT NULL;
            END LOOP;
            IF v_answer IS NULL THEN
                FOREACH i IN ARRAY v_found LOOP
                    v_held[i] := v_held[i] + coalesce(c.amount, 0);
                    IF v_actions[i] = 'throttle' AND v_spent[i] >= v_limits[i] THEN
                        v_next[i] := v_now + v_pauses[i];
                    END IF;
                END LOOP;
                v_holds := true;
                v_rows := v_rows || jsonb_build_object('id', c.id, 'state', 'open', 'amount', coalesce(c.amount, 0),
                    'settled', 0, 'budgets', v_names, 'request', c.asked, 'seconds', c.seconds);
                v_answer := jsonb_build_object('state', 'open', 'amount', coalesce(c.amount, 0)::text,
                    'expires_at', v_now + make_interval(secs => c.seconds), 'budgets', v_names);
            END IF;
        ELSIF c.op = 'adjust' THEN
            IF c.request = to_jsonb(c.turn) THEN  -- it was done, though the answer was lost
                c.amount := 0;
                c.back := 0;
                c.extra := 0;
                c.needs := '{}';
                c.usage := '[]';
            END IF;
            -- What is done is done: it counts, whatever was reserved for it, and against those budgets that held it.
            FOR i IN 1 .. v_count LOOP
                CONTINUE WHEN NOT v_ids[i] = ANY (coalesce(c.budgets, v_names));
                IF c.state = 'open' THEN
                    v_held[i] := v_held[i] - least(c.reserved, c.amount + c.back);
                END IF;
                v_spent[i] := v_spent[i] + c.amount;
                v_added[i] := v_added[i] + c.amount;
            END LOOP;
            v_spends := v_spends OR c.amount > 0;
            IF c.usage <> '[]' THEN
                v_usage := v_usage || (SELECT jsonb_agg(e.value || '{"reserved": true}')
                    FROM jsonb_array_elements(c.usage) AS e (value));
            END IF;
            v_fits := c.state IS NULL OR c.state = 'open' AND c.budgets = v_names;  -- else begin another
            v_granted := 0;
            v_grants := '{}';
            v_extra := c.extra;
            v_scarce := NOT v_fits;
            v_refusal := NULL;
            FOREACH v_need IN ARRAY CASE WHEN v_fits THEN c.needs ELSE '{}' END LOOP
                v_fits := true;
                FOREACH i IN ARRAY v_found LOOP
                    IF v_actions[i] = 'block' AND v_spent[i] + v_held[i] + v_need > v_limits[i] THEN
                        v_fits := false;
                        v_refusal := jsonb_build_object('refused', 'BUDGET_EXCEEDED', 'budget', v_ids[i],
                            'limit', v_limits[i]::text, 'spent', v_spent[i]::text, 'held', v_held[i]::text);
                        v_said[i] := v_said[i] OR NOT v_blocked[i];
                    ELSIF v_actions[i] = 'throttle' AND v_spent[i] >= v_limits[i] AND v_next[i] > v_now THEN
                        v_fits := false;
                        v_refusal := jsonb_build_object('refused', 'BUDGET_THROTTLED', 'budget', v_ids[i],
                            'seconds', extract(epoch FROM v_next[i] - v_now));
                    END IF;
                    EXIT WHEN NOT v_fits;
                END LOOP;
                v_grants := v_grants || v_fits;
                CONTINUE WHEN NOT v_fits;
                v_granted := v_granted + v_need;
                FOREACH i IN ARRAY v_found LOOP
                    v_held[i] := v_held[i] + v_need;
                    IF v_actions[i] = 'throttle' AND v_spent[i] >= v_limits[i] THEN
                        v_next[i] := v_now + v_pauses[i];
                    END IF;
                END LOOP;
            END LOOP;
            -- A stock is had while there is plenty: a thirty-second of what is left, for each process.
            FOREACH i IN ARRAY v_found LOOP
                v_scarce := v_scarce OR v_actions[i] <> 'notify'
                    AND (v_limits[i] - v_spent[i] - v_held[i]) / 32 < c.extra;
            END LOOP;
            v_extra := CASE WHEN v_scarce THEN 0 ELSE c.extra END;
            FOREACH i IN ARRAY v_found LOOP
                v_held[i] := v_held[i] + v_extra;
            END LOOP;
            v_granted := v_granted + v_extra
                + CASE WHEN c.state = 'open' THEN greatest(0, c.reserved - c.amount - c.back) ELSE 0 END;
            v_holds := true;
            v_rows := v_rows || jsonb_build_object('id', c.id,
                'state', CASE WHEN coalesce(c.state, 'open') <> 'open' THEN c.state
                    WHEN v_granted = 0 THEN 'released' ELSE 'open' END,
                'amount', v_granted, 'settled', coalesce(c.settled, 0) + c.amount,
                'budgets', coalesce(c.budgets, v_names), 'request', c.turn, 'seconds', c.seconds);
            v_answer := coalesce(v_refusal, '{}') || jsonb_build_object('state', CASE
                    WHEN coalesce(c.state, 'open') <> 'open' THEN 'ended' WHEN c.budgets <> v_names THEN 'stale'
                    WHEN v_granted = 0 THEN 'ended' ELSE 'open' END,
                'amount', v_granted::text, 'grants', v_grants, 'extra', v_extra::text, 'scarce', v_scarce,
                'budgets', v_names);
        ELSIF c.state IS NULL OR jsonb_typeof(c.request) = 'number' THEN
            v_answer := jsonb_build_object('refused', 'RESERVATION_NOT_FOUND');
        ELSIF c.op = 'settle' AND c.state = 'settled' AND c.settled = c.amount THEN
            v_answer := jsonb_build_object('state', 'settled', 'amount', c.reserved::text, 'settled', c.settled::text,
                'expires_at', c.expires_at, 'budgets', c.budgets);
        ELSIF c.op = 'release' AND c.state IN ('released', 'expired') THEN
            v_answer := jsonb_build_object('state', c.state, 'amount', c.reserved::text,
                'expires_at', c.expires_at, 'budgets', c.budgets);
        ELSIF c.state IN ('settled', 'released') THEN
            v_answer := jsonb_build_object('refused', 'RESERVATION_ENDED', 'state', c.state);
        ELSIF c.op = 'settle' AND c.amount > c.reserved THEN
            v_answer := jsonb_build_object('refused', 'SETTLEMENT_ABOVE_RESERVATION', 'reserved', c.reserved::text);
        ELSE
            v_need := CASE c.op WHEN 'settle' THEN c.amount ELSE 0 END;
            v_fits := true;
            FOR i IN 1 .. v_count LOOP  -- what an expired one held may be others' by now
                v_fits := v_fits AND NOT (c.state = 'expired' AND v_ids[i] = ANY (c.budgets) AND v_actions[i] = 'block'
                    AND v_spent[i] + v_held[i] + v_need > v_limits[i]);
            END LOOP;
            IF v_fits THEN
                FOR i IN 1 .. v_count LOOP
                    CONTINUE WHEN NOT v_ids[i] = ANY (c.budgets);
                    v_held[i] := v_held[i] - CASE c.state WHEN 'open' THEN c.reserved ELSE 0 END;
                    v_spent[i] := v_spent[i] + v_need;
                    v_added[i] := v_added[i] + v_need;
                END LOOP;
                v_holds := true;
                v_spends := v_spends OR v_need > 0;
                IF c.usage <> '[]' THEN
                    v_usage := v_usage || (SELECT jsonb_agg(e.value || '{"reserved": true}')
                        FROM jsonb_array_elements(c.usage) AS e (value));
                END IF;
                v_rows := v_rows || jsonb_build_object('id', c.id,
                    'state', CASE c.op WHEN 'settle' THEN 'settled' ELSE 'released' END, 'amount', c.reserved,
                    'settled', v_need, 'budgets', c.budgets, 'request', c.request);
                v_answer := jsonb_build_object('state', CASE c.op WHEN 'settle' THEN 'settled' ELSE 'released' END,
                    'amount', c.reserved::text, 'settled', CASE c.op WHEN 'settle' THEN v_need::text END,
                    'expires_at', c.expires_at, 'budgets', c.budgets);
            ELSE
                v_answer := jsonb_build_object('refused', 'RESERVATION_EXPIRED');
            END IF;
        END IF;
        v_answers := v_answers || v_answer;
    END LOOP;
    INSERT INTO aeterna.budget_reservation AS r (tenant_id, id, state, amount, settled, budgets, request, expires_at,
            created_at, ended_at)
        SELECT p_tenant, n.id, n.state, n.amount, n.settled, n.budgets, n.request,
            v_now + make_interval(secs => coalesce(n.seconds, 0)), v_now, CASE n.state WHEN 'open' THEN NULL ELSE v_now END
        FROM unnest(v_rows) AS g (value), jsonb_to_record(g.value) AS n (id uuid, state text, amount numeric,
            settled numeric, budgets text[], request jsonb, seconds double precision)
        ON CONFLICT (tenant_id, id) DO UPDATE SET state = excluded.state, amount = excluded.amount,
            settled = excluded.settled, ended_at = excluded.ended_at, request = excluded.request,
            expires_at = CASE excluded.state WHEN 'open' THEN excluded.expires_at ELSE r.expires_at END;
    IF v_holds THEN
        UPDATE aeterna.budget_state AS s SET held = n.held, next_call_at = n.next
            FROM unnest(v_ids, v_held, v_next) AS n (id, held, next)
            WHERE s.tenant_id = p_tenant AND s.id = n.id AND (s.held <> n.held OR s.next_call_at <> n.next);
    END IF;
    IF v_spends THEN
        INSERT INTO aeterna.budget_spend AS s (tenant_id, budget, bucket, spent)
            SELECT p_tenant, n.id, aeterna.budget_bucket(n.period, v_now), n.added
            FROM unnest(v_ids, v_periods, v_added) AS n (id, period, added) WHERE n.added > 0
            ON CONFLICT (tenant_id, budget, bucket) DO UPDATE SET spent = s.spent + excluded.spent;
        PERFORM aeterna.note_budgets(v_now, p_actor, p_trace);
    END IF;
    PERFORM aeterna.record_usage(v_usage, p_actor, p_trace);
    FOR i IN 1 .. v_count LOOP
        CONTINUE WHEN NOT v_said[i];
        PERFORM aeterna.raise_alert(uuidv7(), 'budget.blocked', 'high', 'budgets/' || v_ids[i],
            jsonb_build_object('spent', v_spent[i]::text, 'held', v_held[i]::text,
                'limit', v_limits[i]::text, 'currency', v_currencies[i], 'period_start', v_since[i]), p_actor, p_trace);
        UPDATE aeterna.budget_state AS s SET blocked = true,
                noted = CASE WHEN s.noted_in >= v_since[i] THEN s.noted ELSE 0 END,
                noted_in = aeterna.budget_bucket(v_periods[i], v_now)
            WHERE s.tenant_id = p_tenant AND s.id = v_ids[i];
    END LOOP;
    RETURN to_jsonb(v_answers);
END $$;
