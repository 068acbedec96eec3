package store

import (
	"slices"

	"lotse/internal/importer"
)

// Outcome is what became of one item at one destination.
type Outcome struct {
	Item int // number of the file in the package
	Fate importer.Fate
	Sent int    // how often it was sent
	Line []byte // of the receipt, sealed; nil once the import is purged
}

// SaveOutcomes adds outcomes to a delivery and replaces those that its items have;
// of two for one item the later counts. The delivery's counters are the caller's.
func (tx *Tx) SaveOutcomes(deliveryID string, list []Outcome) error {
	for batch := range slices.Chunk(lastOfEach(list), batchRows) {
		args := []any{deliveryID}
		for _, o := range batch {
			args = append(args, o.Item, string(o.Fate), o.Sent, blob(o.Line))
		}
		_, err := tx.exec("INSERT INTO outcomes (tenant_id, delivery_id, item, fate, sent, line) VALUES "+tuples(2, 4, len(batch))+
			" ON CONFLICT (tenant_id, delivery_id, item) DO UPDATE SET fate = excluded.fate, sent = excluded.sent, line = excluded.line", args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// lastOfEach keeps the last outcome of each item, since one statement cannot change
// a row twice.
func lastOfEach(list []Outcome) []Outcome {
	at := make(map[int]int, len(list))
	kept := make([]Outcome, 0, len(list))
	for _, o := range list {
		if i, ok := at[o.Item]; ok {
			kept[i] = o
			continue
		}
		at[o.Item] = len(kept)
		kept = append(kept, o)
	}
	return kept
}

// Outcomes calls f with each outcome of a delivery by its item, as they are read;
// f must not use the transaction.
func (tx *Tx) Outcomes(deliveryID string, f func(Outcome) error) error {
	return tx.rows("SELECT item, fate, sent, line FROM outcomes WHERE tenant_id = $1 AND delivery_id = $2 ORDER BY item", []any{deliveryID},
		func(scan scanner) error {
			var o Outcome
			if err := scan(&o.Item, &o.Fate, &o.Sent, &o.Line); err != nil {
				return err
			}
			return f(o)
		})
}

// OutcomeFates gives the fate of each item of a delivery that has one.
func (tx *Tx) OutcomeFates(deliveryID string) (map[int]importer.Fate, error) {
	fates := map[int]importer.Fate{}
	err := tx.rows("SELECT item, fate FROM outcomes WHERE tenant_id = $1 AND delivery_id = $2", []any{deliveryID},
		func(scan scanner) error {
			var item int
			var fate importer.Fate
			if err := scan(&item, &fate); err != nil {
				return err
			}
			fates[item] = fate
			return nil
		})
	return fates, err
}

// EraseOutcomes erases the lines of all outcomes of an import. Items, fates and
// counts stay.
func (tx *Tx) EraseOutcomes(importID string) error {
	_, err := tx.exec("UPDATE outcomes SET line = NULL WHERE tenant_id = $1 AND line IS NOT NULL AND delivery_id IN "+
		"(SELECT id FROM deliveries WHERE tenant_id = $1 AND import_id = $2)", importID)
	return err
}

// DropOutcomes forgets the outcomes of one fate, so that their objects are sent again.
func (tx *Tx) DropOutcomes(deliveryID string, fate importer.Fate) error {
	_, err := tx.exec("DELETE FROM outcomes WHERE tenant_id = $1 AND delivery_id = $2 AND fate = $3", deliveryID, string(fate))
	return err
}
