package store

import (
	"database/sql"
	"errors"
	"time"
)

// JobState is where a job stands.
type JobState string

// States of a job.
const (
	JobWaiting   JobState = "waiting" // for its time, or for a worker
	JobRunning   JobState = "running" // a worker holds its lease, or held it until it died
	JobDone      JobState = "done"
	JobFailed    JobState = "failed" // for good
	JobCancelled JobState = "cancelled"
)

// maxPriority bounds priorities: a week of waiting.
const maxPriority = 7 * 24 * 60

// Job is work to do, in the database until it is done. Nothing in it may be
// personal: it is readable for whoever reads the database.
type Job struct {
	ID     string // made by [Tx.Enqueue]
	Tenant string // empty for work of the system
	// Kind chooses the handler.
	Kind string
	// Subject is the id of what the job is about, such as an import.
	Subject string
	// Unique, when not empty, keeps a second job with the same key of the same tenant out
	// while the first has not ended.
	Unique string
	// Priority: each step is worth a minute of waiting, so that whoever has waited
	// longer goes first in the end; at most a week either way.
	Priority int
	// RunAt is the earliest time; zero is at once.
	RunAt time.Time
	// Attempts is how often it may run before it fails for good; 0 is without end.
	Attempts int
	Payload  []byte

	// Set by [System.Claim]:
	Attempt    int   // of this run, from 1; runs that were given back do not count
	Token      int64 // fencing token: greater for every claim
	Cancelling bool  // was asked for before it was claimed
}

// JobStatus is a job as it stands.
type JobStatus struct {
	Job
	State    JobState
	Node     string    // that runs it
	Lease    time.Time // until when, while it runs
	Progress []byte    // JSON, as the worker reported last
	Code     string    // why it failed, or failed last
	Created  time.Time
	Started  time.Time // of the last attempt
	Finished time.Time
}

// Enqueue adds a job that exists when the transaction commits. It gives the job's
// id and whether it is new: when there is an unfinished one with the same Unique,
// its id is given and nothing is added. In a transaction of the system the job
// belongs to job.Tenant, otherwise to the transaction's tenant.
func (tx *Tx) Enqueue(job Job) (id string, added bool, err error) {
	tenant := tx.tenant
	if tenant == everyone && job.Tenant != "" {
		tenant = job.Tenant
	}
	if job.RunAt.Before(tx.now) {
		job.RunAt = tx.now
	}
	id = NewID()
	n, err := tx.systemExec("INSERT INTO jobs (tenant_id, id, kind, subject, unique_key, state, priority, run_at, rank_at, attempts, payload, created_at) "+
		"VALUES ($1, $2, $3, $4, $5, 'waiting', $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
		tenant, id, job.Kind, job.Subject, text(job.Unique), clamp(job.Priority), micros(job.RunAt), rank(job.RunAt, job.Priority),
		job.Attempts, job.Payload, micros(tx.now))
	if err != nil {
		return "", false, err
	}
	if n == 1 {
		tx.queued = true
		return id, true, nil
	}
	err = tx.systemRow("SELECT id FROM jobs WHERE tenant_id = $1 AND unique_key = $2 AND state IN ('waiting', 'running')",
		[]any{tenant, job.Unique}, &id)
	return id, false, err
}

func clamp(priority int) int { return min(max(priority, -maxPriority), maxPriority) }

// rank is the order of claiming: the time due, less a minute per step of priority.
func rank(runAt time.Time, priority int) int64 {
	return runAt.Add(-time.Duration(clamp(priority)) * time.Minute).UnixMicro()
}

// jobColumns are read by scanJob, in this order.
const jobColumns = "tenant_id, id, kind, subject, unique_key, priority, run_at, attempts, payload, attempt, token, cancelling"

// jobDest are the variables for jobColumns, and what finishes the job after a scan.
func jobDest(j *Job) (dest []any, finish func()) {
	var unique sql.NullString
	var runAt sql.NullInt64
	var cancelling int
	dest = []any{&j.Tenant, &j.ID, &j.Kind, &j.Subject, &unique, &j.Priority, &runAt, &j.Attempts, &j.Payload, &j.Attempt, &j.Token, &cancelling}
	return dest, func() {
		j.Unique, j.RunAt, j.Cancelling = unique.String, moment(runAt), cancelling != 0
		if j.Tenant == everyone {
			j.Tenant = ""
		}
	}
}

const selectJobs = "SELECT " + jobColumns + ", state, node, lease_until, progress, code, created_at, started_at, finished_at FROM jobs "

func scanStatus(scan scanner) (JobStatus, error) {
	var s JobStatus
	var node, progress, code sql.NullString
	var lease, created, started, finished sql.NullInt64
	dest, finish := jobDest(&s.Job)
	if err := scan(append(dest, &s.State, &node, &lease, &progress, &code, &created, &started, &finished)...); err != nil {
		return s, err
	}
	finish()
	s.Node, s.Code = node.String, code.String
	if progress.Valid {
		s.Progress = []byte(progress.String)
	}
	s.Lease, s.Created, s.Started, s.Finished = moment(lease), moment(created), moment(started), moment(finished)
	return s, nil
}

// Job gives a job of the tenant (or of the system, in its transactions).
func (tx *Tx) Job(id string) (JobStatus, error) {
	jobs, err := tx.jobs(selectJobs+"WHERE tenant_id = $1 AND id = $2", id)
	if err == nil && len(jobs) == 0 {
		return JobStatus{}, ErrNotFound
	}
	if err != nil {
		return JobStatus{}, err
	}
	return jobs[0], nil
}

// Jobs gives the jobs of a subject, the oldest first.
func (tx *Tx) Jobs(subject string) ([]JobStatus, error) {
	return tx.jobs(selectJobs+"WHERE tenant_id = $1 AND subject = $2 ORDER BY created_at, id", subject)
}

func (tx *Tx) jobs(query string, arg any) ([]JobStatus, error) {
	var all []JobStatus
	err := tx.systemRows(query, []any{tx.tenant, arg}, func(scan scanner) error {
		s, err := scanStatus(scan)
		all = append(all, s)
		return err
	})
	return all, err
}

// CancelJob ends a waiting job at once and asks a running one to end, which its
// worker hears within two seconds. It gives the state the job is in then:
// [JobRunning] means asked.
func (tx *Tx) CancelJob(id string) (JobState, error) {
	job, err := tx.Job(id)
	if err != nil {
		return "", err
	}
	if err := tx.cancel(job); err != nil {
		return "", err
	}
	if job.State == JobWaiting {
		return JobCancelled, nil
	}
	return job.State, nil
}

// CancelJobs does so with all unfinished jobs of a subject and tells how many were
// running: those still have to end.
func (tx *Tx) CancelJobs(subject string) (running int, err error) {
	jobs, err := tx.Jobs(subject)
	if err != nil {
		return 0, err
	}
	for _, job := range jobs {
		if job.State == JobRunning {
			running++
		}
		if err := tx.cancel(job); err != nil {
			return 0, err
		}
	}
	return running, nil
}

func (tx *Tx) cancel(job JobStatus) error {
	var err error
	switch job.State {
	case JobWaiting:
		_, err = tx.systemExec("UPDATE jobs SET state = 'cancelled', finished_at = $3 WHERE tenant_id = $1 AND id = $2",
			tx.tenant, job.ID, micros(tx.now))
	case JobRunning:
		_, err = tx.systemExec("UPDATE jobs SET cancelling = 1 WHERE tenant_id = $1 AND id = $2", tx.tenant, job.ID)
	}
	return err
}

// HurryJob makes a waiting job due at once, for a person who tries again. A job
// that is not waiting stays as it is.
func (tx *Tx) HurryJob(id string) error {
	job, err := tx.Job(id)
	if err != nil || job.State != JobWaiting {
		return err
	}
	_, err = tx.systemExec("UPDATE jobs SET run_at = $3, rank_at = $4 WHERE tenant_id = $1 AND id = $2",
		tx.tenant, id, micros(tx.now), rank(tx.now, job.Priority))
	tx.queued = true
	return err
}

// jobKey is the tenant_id of a claimed job, which the transaction must be allowed
// to touch.
func (tx *Tx) jobKey(job Job) (string, error) {
	tenant := job.Tenant
	if tenant == "" {
		tenant = everyone
	}
	if tx.tenant != everyone && tx.tenant != tenant {
		return "", errors.New("the job belongs to another tenant than the transaction")
	}
	return tenant, nil
}
