package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"lotse/internal/sealed/durable"
	"lotse/internal/sealed/keyring"
)

// Names in a backup's folder. Those with a dot belong to a backup that is running.
const (
	manifestName = "manifest"
	tablesPrefix = "tables-"
	blobsFolder  = "blobs"
	lockName     = ".lock"
	tempPrefix   = ".incomplete-"
)

// formatVersion is that of the folder and its files.
const formatVersion = 1

// maxManifest bounds a manifest, in bytes.
const maxManifest = 256 << 20

// manifest says what is in a backup.
type manifest struct {
	Format       int               `json:"format"`
	Version      string            `json:"version"` // of the program
	Installation string            `json:"installation"`
	At           time.Time         `json:"at"` // of the state, by the database's clock
	Schema       int64             `json:"schema"`
	Tables       string            `json:"tables"` // name of the file
	Rows         map[string]int64  `json:"rows"`
	Digest       string            `json:"digest"` // SHA-256 of the rows as they are written, hex
	Blobs        int64             `json:"blobs"`
	Bytes        int64             `json:"bytes"`
	Erased       []string          `json:"erased,omitempty"`  // tenant/import that were erased after the state
	Missing      []string          `json:"missing,omitempty"` // blobs that the store had lost
	Tenants      map[string]string `json:"tenants"`           // for each living tenant a MAC under its key
}

// readManifest gives fs.ErrNotExist when there is none and errSeal when the key does
// not open it.
func (s sealer) readManifest(ctx context.Context, files durable.Files) (*manifest, error) {
	file, err := durable.ReadFile(files, manifestName, maxManifest)
	if err != nil {
		return nil, err
	}
	plain, err := s.open(ctx, manifestName, file)
	if err != nil {
		return nil, err
	}
	m := new(manifest)
	if err := json.Unmarshal(plain, m); err != nil {
		return nil, errSeal
	}
	if m.Format != formatVersion {
		return nil, refuse(Newer, "format %d", m.Format)
	}
	return m, nil
}

// openBackup reads the manifest of a backup that must be there.
func (s sealer) openBackup(ctx context.Context, files durable.Files) (*manifest, error) {
	m, err := s.readManifest(ctx, files)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Refusal{Code: NoBackup}
	case errors.Is(err, errSeal):
		return nil, &Refusal{Code: WrongKey, Err: err}
	}
	return m, err
}

// proofPurpose and a MAC say that a keyring has the key of a tenant.
const proofPurpose = "backup"

// openKey reads the backup's key. It is made when absent and wanted, but never in
// the backup's own folder: who has the backup must not have its key.
func openKey(path, dir string, wanted bool) (*keyring.KeyMaster, error) {
	inside, err := within(path, dir)
	if err != nil {
		return nil, err
	}
	if inside {
		return nil, refuse(KeyInside, "%s", path)
	}
	open := keyring.MasterFile
	if wanted {
		open = keyring.CreateMasterFile
	}
	key, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("the key of the backup: %w", err)
	}
	return key, nil
}
