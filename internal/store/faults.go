package store

// Stage is a step of a transaction at which a test can let the database fail.
type Stage string

// Stages in the order of a transaction.
const (
	StageBegin     Stage = "begin"     // nothing has been sent yet
	StageStatement Stage = "statement" // before a statement is sent
	StageCommit    Stage = "commit"    // before COMMIT is sent: the transaction is rolled back
	StageCommitted Stage = "committed" // COMMIT has reached the database and its answer is lost
)

// Point is where a transaction stands when [Config.Faults] is asked. An error it
// returns is taken for the database's; [Fault] makes one of a kind. At
// StageCommitted the caller sees [ErrUnknown] whatever the error is.
type Point struct {
	Stage Stage
	Write bool   // of a write transaction
	SQL   string // at StageStatement
}

// Fault is an error as the database reports it, for tests.
func Fault(kind Kind) error { return &Error{Kind: kind, Doing: "injected fault"} }

func (db *DB) fault(p Point) error {
	if db.config.Faults == nil {
		return nil
	}
	return db.config.Faults(p)
}
