package audit

import (
	"bufio"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"lotse/internal/store"
)

// headMessage is what is signed. None of the fields has a line break in it.
func headMessage(h store.Head) []byte {
	return fmt.Appendf(nil, "lotse audit head 1\n%s\n%d\n%s\n%d\n", h.Tenant, h.Seq, h.Hash, h.Signed)
}

// SignHead signs a link as it stands at a time.
func SignHead(key ed25519.PrivateKey, tenant string, seq int64, hash string, at time.Time) store.Head {
	h := store.Head{Tenant: tenant, Seq: seq, Hash: hash, Signed: at.UnixMicro(), Public: PublicKey(key)}
	h.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(key, headMessage(h)))
	return h
}

// PublicKey is the public half of a key as heads have it.
func PublicKey(key ed25519.PrivateKey) string {
	return base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey)) // it always is
}

// Signed reports whether a head has the signature of the key that it names.
func Signed(h store.Head) bool {
	public, err := base64.StdEncoding.DecodeString(h.Public)
	if err != nil || len(public) != ed25519.PublicKeySize {
		return false
	}
	signature, err := base64.StdEncoding.DecodeString(h.Signature)
	return err == nil && ed25519.Verify(public, headMessage(h), signature)
}

// ReadHeads reads exported heads: those of the file of a node, one JSON object on each
// line, or the answers of the API, which have them in a list.
func ReadHeads(r io.Reader, each func(store.Head) error) error {
	d := json.NewDecoder(bufio.NewReader(r))
	for {
		var one struct {
			store.Head
			Heads []store.Head `json:"heads"`
		}
		err := d.Decode(&one)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the heads: %w", err)
		}
		if one.Heads == nil {
			one.Heads = []store.Head{one.Head}
		}
		for _, h := range one.Heads {
			if err := each(h); err != nil {
				return err
			}
		}
	}
}
