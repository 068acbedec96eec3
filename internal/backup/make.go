package backup

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"lotse/internal/sealed"
	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/durable"
	"lotse/internal/sealed/keyring"
	"lotse/internal/store"
)

// Installation is what a node keeps everything in.
type Installation struct {
	DB     *store.DB
	Blobs  blob.Store
	Keys   keyring.Store
	Master *keyring.KeyMaster
}

func (in Installation) vault() *sealed.Vault {
	return sealed.New(in.Blobs, keyring.New(in.Keys, in.Master), sealed.Options{})
}

// MakeOptions says where a backup goes.
type MakeOptions struct {
	Dir     string // of the backup; made when absent
	KeyFile string // the backup's key, made when absent; it must not be in Dir
	Version string // of the program
}

// Made says what a backup has.
type Made struct {
	At      time.Time // of the state it has
	Rows    int64
	Blobs   int64 // segments it has
	Bytes   int64 // of them
	Copied  int64 // of them: new since the last backup
	Removed int64 // that the last backup had and this one has not
	Erased  int   // imports that were erased while it was made
	Missing int   // segments that the store has lost: their imports cannot be delivered
}

// maker makes one backup.
type maker struct {
	in    Installation
	files durable.Files
	tree  *durable.Tree
	seal  sealer
	m     manifest
	made  Made
	again bool // segments went for another reason than erasing: the rows are old
}

// attempts is how often the rows are taken anew because segments went.
const attempts = 5

// installationID is what the installation remembers its own id under.
const installationID = "installation.id"

// Make copies the installation into a folder while others use it. An error leaves
// the last backup there as it was, and a *[Refusal] changed nothing.
func Make(ctx context.Context, in Installation, o MakeOptions) (*Made, error) {
	key, err := openKey(o.KeyFile, o.Dir, true)
	if err != nil {
		return nil, err
	}
	if key.ID() == in.Master.ID() {
		return nil, &Refusal{Code: KeyIsMaster}
	}
	schema, err := in.DB.Status(ctx)
	if err != nil {
		return nil, err
	}
	if schema.Version != schema.Latest {
		return nil, refuse(Outdated, "%d, %d", schema.Version, schema.Latest)
	}
	if err := in.DB.System().Settled(ctx); err != nil {
		return nil, err
	}
	files, err := durable.OpenFolder(o.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = files.Close() }()
	mine, err := ours(files)
	if err == nil && !mine {
		err = &Refusal{Code: ForeignFolder}
	}
	if err != nil {
		return nil, err
	}
	unlock, err := lockFolder(o.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	k := &maker{in: in, files: files, tree: durable.NewTree(files), seal: sealer{key}}
	k.m = manifest{Format: formatVersion, Version: o.Version}
	if err := k.make(ctx); err != nil {
		return nil, err
	}
	return &k.made, nil
}

func (k *maker) make(ctx context.Context) error {
	if err := k.recognise(ctx); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := k.collect(ctx)
		if err == nil && !k.again {
			break
		}
		if err == nil && try == attempts {
			err = &Refusal{Code: KeepsChanging}
		}
		if err != nil {
			return errors.Join(err, k.clean())
		}
	}
	if err := k.publish(ctx); err != nil {
		return err
	}
	return k.tidy(ctx)
}

// recognise refuses the folder of another installation, or one sealed with another
// key: what is already there would be of no use.
func (k *maker) recognise(ctx context.Context) error {
	id, err := k.in.DB.System().Installation(ctx, installationID)
	if errors.Is(err, store.ErrNotFound) {
		if _, err = k.in.DB.System().SwapInstallation(ctx, installationID, "", store.NewID()); err == nil {
			id, err = k.in.DB.System().Installation(ctx, installationID)
		}
	}
	if err != nil {
		return err
	}
	k.m.Installation = id
	before, err := k.seal.openBackup(ctx, k.files)
	var none *Refusal
	switch {
	case errors.As(err, &none) && none.Code == NoBackup:
		return nil
	case err != nil:
		return err
	case before.Installation != id:
		return &Refusal{Code: ForeignBackup}
	}
	return nil
}

// collect takes the rows and copies the segments they name.
func (k *maker) collect(ctx context.Context) error {
	if err := k.clean(); err != nil { // of the attempt before
		return err
	}
	k.again, k.made = false, Made{Copied: k.made.Copied}
	k.m.Tables = tablesPrefix + strings.ToLower(rand.Text())
	k.m.Erased, k.m.Missing, k.m.Tenants = nil, nil, map[string]string{}
	if err := k.takeRows(ctx); err != nil {
		return fmt.Errorf("take the rows: %w", err)
	}
	if err := k.prove(ctx); err != nil {
		return err
	}
	return k.copyBlobs(ctx)
}

// takeRows writes the file of the tables.
func (k *maker) takeRows(ctx context.Context) error {
	temp := tempPrefix + strings.ToLower(rand.Text())
	file, err := k.files.Create(temp)
	if err != nil {
		return err
	}
	err = k.writeRows(ctx, file)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = k.tree.Publish(temp, k.m.Tables)
	}
	if err != nil {
		_ = k.files.Remove(temp) // or the next backup does
	}
	return err
}

func (k *maker) writeRows(ctx context.Context, file io.Writer) error {
	sealing, err := k.seal.sealing(ctx, k.m.Tables, file)
	if err != nil {
		return err
	}
	digest := sha256.New()
	rows := newRowWriter(io.MultiWriter(sealing, digest))
	of, err := k.in.DB.System().Export(ctx, rows.write)
	if err == nil {
		err = rows.flush()
	}
	if err = errors.Join(err, sealing.Close()); err != nil {
		return err
	}
	k.m.At, k.m.Schema, k.m.Rows, k.m.Digest = of.At, of.Schema, rows.counts, hex.EncodeToString(digest.Sum(nil))
	k.made.At = of.At
	for _, n := range rows.counts {
		k.made.Rows += n
	}
	return nil
}

// prove notes for each living tenant what only its key can make, so that a restore
// knows whether it has the right keyring.
func (k *maker) prove(ctx context.Context) error {
	tenants, err := k.in.DB.System().LivingTenants(ctx)
	if err != nil {
		return err
	}
	vault := k.in.vault()
	for _, tenant := range tenants {
		v, err := vault.Tenant(ctx, tenant)
		if errors.Is(err, sealed.ErrErased) {
			continue
		}
		if err != nil {
			return fmt.Errorf("open the keys of tenant %s: %w", tenant, err)
		}
		if k.m.Tenants[tenant], err = v.MAC(ctx, proofPurpose, k.m.Installation); err != nil {
			return err
		}
	}
	return nil
}

// publish writes the manifest: from then on it is the backup.
func (k *maker) publish(ctx context.Context) error {
	k.m.Blobs, k.m.Bytes = k.made.Blobs, k.made.Bytes
	k.made.Erased, k.made.Missing = len(k.m.Erased), len(k.m.Missing)
	plain, err := json.Marshal(k.m)
	if err != nil {
		return err
	}
	file, err := k.seal.seal(ctx, manifestName, plain)
	if err != nil {
		return err
	}
	if err := k.tree.WriteFile(tempPrefix+strings.ToLower(rand.Text()), manifestName, file); err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	return nil
}

// clean removes the rows of an attempt that is not the backup.
func (k *maker) clean() error {
	if k.m.Tables == "" {
		return nil
	}
	if err := k.files.Remove(k.m.Tables); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
