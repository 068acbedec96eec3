package store

// queue: transactions are one after the other, so that nothing is locked that
// could be skipped.
func (sqliteEngine) queue() queueSQL {
	return queueSQL{
		claim: `UPDATE jobs SET state = 'running', attempt = attempt + 1, token = token + 1, node = $3, lease_until = $4, started_at = $2
			WHERE (tenant_id, id) IN (
				SELECT tenant_id, id FROM jobs WHERE kind = $1 AND state = 'waiting' AND run_at <= $2 ORDER BY rank_at LIMIT $5)
			RETURNING ` + jobColumns,
		expire: `UPDATE jobs SET state = 'waiting', node = NULL, lease_until = NULL WHERE state = 'running' AND lease_until <= $1`,
		beat: `UPDATE jobs SET lease_until = $5, progress = COALESCE($6, progress)
			WHERE tenant_id = $1 AND id = $2 AND token = $3 AND state = 'running' AND lease_until > $4
			RETURNING cancelling`,
	}
}
