package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strconv"
	"strings"
	"time"

	"lotse/internal/sealed/durable"
	"lotse/internal/sealed/keyring"
)

const timeDigits = 16 // of microseconds since 1970, until the year 2286

func (s *Store) tombstones(tenant string) ([]byte, error) {
	b, err := durable.ReadFile(s.files, tenant+"/"+erased, maxLog)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, failure("reading the tombstones", err)
	}
	return b, nil
}

// bury appends a tombstone. A line that a crash left unfinished stays one of its
// own, which nobody reads.
func (s *Store) bury(tenant, id string) error {
	log, err := s.tombstones(tenant)
	if err != nil {
		return err
	}
	line := fmt.Sprintf("%s %0*d\n", id, timeDigits, s.now().UnixMicro())
	if len(log) > 0 && log[len(log)-1] != '\n' {
		line = "\n" + line
	}
	return s.tree.Append(tenant, tenant+"/"+erased, []byte(line))
}

func (s *Store) isErased(tenant, id string) (bool, error) {
	log, err := s.tombstones(tenant)
	if err != nil {
		return false, err
	}
	for from := 0; ; {
		i := bytes.Index(log[from:], []byte(id+" "))
		if i < 0 {
			return false, nil
		}
		i += from
		line, _, whole := bytes.Cut(log[i:], []byte("\n"))
		if _, ok := parse(string(line)); ok && whole && (i == 0 || log[i-1] == '\n') {
			return true, nil
		}
		from = i + len(id)
	}
}

func parse(line string) (t keyring.Tombstone, ok bool) {
	id, digits, ok := strings.Cut(line, " ")
	if !ok || len(digits) != timeDigits || keyring.CheckName(id) != nil {
		return t, false
	}
	us, err := strconv.ParseInt(digits, 10, 64)
	return keyring.Tombstone{ID: id, At: time.UnixMicro(us).UTC()}, err == nil
}

// Erased is of [keyring.Store].
func (s *Store) Erased(ctx context.Context, tenant string) iter.Seq2[keyring.Tombstone, error] {
	return func(yield func(keyring.Tombstone, error) bool) {
		err := errors.Join(keyring.CheckName(tenant), ctx.Err())
		var log []byte
		if err == nil {
			log, err = s.tombstones(tenant)
		}
		if err != nil {
			yield(keyring.Tombstone{}, err)
			return
		}
		if end := bytes.LastIndexByte(log, '\n'); end >= 0 {
			log = log[:end+1]
		} else {
			log = nil
		}
		seen := map[string]bool{}
		for line := range strings.Lines(string(log)) {
			t, ok := parse(strings.TrimSuffix(line, "\n"))
			if !ok || seen[t.ID] {
				continue
			}
			seen[t.ID] = true
			if !yield(t, nil) {
				return
			}
		}
	}
}
