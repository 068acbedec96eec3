package store

// queue: nobody waits for a row that another transaction holds. The rows are
// chosen in a common table expression of their own, since a subquery may be run
// more than once and would then take more than its limit.
func (postgresEngine) queue() queueSQL {
	return queueSQL{
		claim: `WITH due AS MATERIALIZED (
				SELECT tenant_id AS t, id AS i FROM jobs WHERE kind = $1 AND state = 'waiting' AND run_at <= $2
				ORDER BY rank_at LIMIT $5 FOR UPDATE SKIP LOCKED)
			UPDATE jobs SET state = 'running', attempt = attempt + 1, token = token + 1, node = $3, lease_until = $4, started_at = $2
			FROM due WHERE tenant_id = t AND id = i
			RETURNING ` + jobColumns,
		expire: `WITH ended AS MATERIALIZED (
				SELECT tenant_id AS t, id AS i FROM jobs WHERE state = 'running' AND lease_until <= $1 FOR UPDATE SKIP LOCKED)
			UPDATE jobs SET state = 'waiting', node = NULL, lease_until = NULL
			FROM ended WHERE tenant_id = t AND id = i`,
		beat: `WITH mine AS MATERIALIZED (
				SELECT tenant_id AS t, id AS i FROM jobs
				WHERE tenant_id = $1 AND id = $2 AND token = $3 AND state = 'running' AND lease_until > $4 FOR UPDATE SKIP LOCKED)
			UPDATE jobs SET lease_until = $5, progress = COALESCE($6, progress)
			FROM mine WHERE tenant_id = t AND id = i
			RETURNING cancelling`,
	}
}
