package node

import (
	"context"
	"fmt"
	"os"
	"time"

	"lotse/internal/config"
	"lotse/internal/sealed"
	"lotse/internal/sealed/blob/disk"
	"lotse/internal/sealed/blob/s3"
	"lotse/internal/sealed/bucket"
	"lotse/internal/sealed/keyring"
	"lotse/internal/sealed/keyring/file"
	keys3 "lotse/internal/sealed/keyring/s3"
	"lotse/internal/store"
)

// DatabaseConfig is the database that a configuration names.
func DatabaseConfig(cfg *config.Config) store.Config {
	if url := cfg.Database.URL.Reveal(); url != "" {
		return store.Config{Engine: store.PostgreSQL, DSN: url}
	}
	return store.Config{Engine: store.SQLite, Path: cfg.DataDir + "/lotse.db"}
}

// OpenDatabase opens the configured database as it is.
func OpenDatabase(ctx context.Context, cfg *config.Config) (*store.DB, error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	return store.Open(ctx, DatabaseConfig(cfg))
}

func (n *Node) openDatabase(ctx context.Context) error {
	db, err := store.Open(ctx, DatabaseConfig(n.Config))
	if err != nil {
		return err
	}
	n.DB = db
	n.closers = append(n.closers, db.Close)
	if _, err := db.Migrate(ctx); err != nil {
		return fmt.Errorf("bring the database up to date: %w", err)
	}
	return db.System().Settled(ctx) // nothing serves half a restore
}

// bucketOf is a configured bucket.
func bucketOf(c config.S3) bucket.Config {
	scheme := "https://"
	if c.Insecure {
		scheme = "http://"
	}
	return bucket.Config{Endpoint: scheme + c.Endpoint, Region: c.Region, Bucket: c.Bucket, AccessKey: c.AccessKey.Reveal(),
		SecretKey: c.SecretKey.Reveal(), PathStyle: true}
}

func (n *Node) openVault(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	if err := n.openBlobs(ctx); err != nil {
		return err
	}
	master, err := keyring.CreateMasterFile(n.masterKeyFile())
	if err != nil {
		return fmt.Errorf("open the master key: %w", err)
	}
	keys, err := n.openKeyring(ctx)
	if err != nil {
		return err
	}
	if err := keys.Check(ctx); err != nil {
		return fmt.Errorf("try the keyring: %w", err)
	}
	n.Vault = sealed.New(n.Blobs, keyring.New(keys, master), sealed.Options{})
	return nil
}

// masterKeyFile is where the master key is.
func (n *Node) masterKeyFile() string {
	if path := n.Config.MasterKey.File; path != "" {
		return path
	}
	return n.under("master.key")
}

func (n *Node) openBlobs(ctx context.Context) (err error) {
	if c := n.Config.Blobs.S3; c.Used() {
		n.Blobs, err = s3.Open(bucketOf(c), s3.Options{})
	} else {
		n.Blobs, err = disk.Open(n.under("blobs"))
	}
	if err != nil {
		return fmt.Errorf("open the blob store: %w", err)
	}
	if err := n.Blobs.Check(ctx); err != nil {
		return fmt.Errorf("try the blob store: %w", err)
	}
	return nil
}

func (n *Node) openKeyring(ctx context.Context) (keyring.Store, error) {
	if c := n.Config.Keyring.S3; c.Used() {
		return keys3.Open(ctx, bucketOf(c), time.Now)
	}
	return file.Open(n.under("keyring"), time.Now)
}
