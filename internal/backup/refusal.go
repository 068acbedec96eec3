package backup

import "fmt"

// Code says why a backup or a restore was refused before it changed anything.
type Code string

// Codes of refusals.
const (
	KeyInside         Code = "key-inside"         // the key's file is in the backup's folder
	KeyIsMaster       Code = "key-is-master"      // the backup's key is the master key
	ForeignFolder     Code = "foreign-folder"     // the folder holds something else
	ForeignBackup     Code = "foreign-backup"     // … the backup of another installation
	WrongKey          Code = "wrong-key"          // the key does not open the backup
	NoBackup          Code = "no-backup"          // there is no finished backup in the folder
	Busy              Code = "busy"               // another backup into the folder is running
	Outdated          Code = "outdated"           // the database's schema is not this program's
	Newer             Code = "newer"              // the backup is of a newer program
	Damaged           Code = "damaged"            // not what was written
	NotEmpty          Code = "not-empty"          // the installation has something already
	NoKeyring         Code = "no-keyring"         // no key for a tenant
	OtherKeyring      Code = "other-keyring"      // the keyring is another installation's
	OtherMaster       Code = "other-master"       // the keyring is wrapped by another master key
	Unreadable        Code = "unreadable"         // imports have no key, and were not erased
	ClockUncertain    Code = "clock-uncertain"    // by this clock the backup is old, or erasing was paused
	ClockBehind       Code = "clock-behind"       // by this clock the backup is from the future
	KeepsChanging     Code = "keeps-changing"     // segments go faster than they can be copied
	Alive             Code = "alive"              // a node is running
	KeyringUnreadable Code = "keyring-unreadable" // the copy of the keyring is damaged or of another master key
)

// Refusal is a backup or restore that was refused: nothing has been changed.
type Refusal struct {
	Code   Code
	Detail string // names, numbers and times for people; nothing personal
	Err    error  // the cause, or nil
}

func (r *Refusal) Error() string {
	text := "backup: refused: " + string(r.Code)
	if r.Detail != "" {
		text += " (" + r.Detail + ")"
	}
	if r.Err != nil {
		text += ": " + r.Err.Error()
	}
	return text
}

// Unwrap gives the cause.
func (r *Refusal) Unwrap() error { return r.Err }

func refuse(code Code, format string, args ...any) error {
	return &Refusal{Code: code, Detail: fmt.Sprintf(format, args...)}
}
