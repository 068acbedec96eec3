package store

import (
	"context"
	"time"
)

// DueReceipt is a receipt whose time has come.
type DueReceipt struct{ Tenant, Import, Delivery string }

// DueReceipts lists receipts of purged imports that were made before a time, the oldest
// first.
func (s *System) DueReceipts(ctx context.Context, before time.Time, limit int) ([]DueReceipt, error) {
	var all []DueReceipt
	err := s.Read(ctx, func(tx *Tx) error {
		all = nil
		return tx.systemRows("SELECT r.tenant_id, r.import_id, r.delivery_id FROM receipts r WHERE r.created_at < $1 AND "+
			"EXISTS (SELECT 1 FROM imports i WHERE i.tenant_id = r.tenant_id AND i.id = r.import_id AND i.purged_at IS NOT NULL) AND "+
			"EXISTS (SELECT 1 FROM tenants t WHERE t.id = r.tenant_id AND t.destroyed_at IS NULL) ORDER BY r.created_at LIMIT $2",
			[]any{before.UnixMicro(), limit}, func(scan scanner) error {
				var d DueReceipt
				if err := scan(&d.Tenant, &d.Import, &d.Delivery); err != nil {
					return err
				}
				all = append(all, d)
				return nil
			})
	})
	return all, err
}

// DropReceipt deletes the receipt of a delivery if it was made before a time.
// [ErrNotFound] when there is none.
func (tx *Tx) DropReceipt(deliveryID string, before time.Time) error {
	return changedOne(tx.exec("DELETE FROM receipts WHERE tenant_id = $1 AND delivery_id = $2 AND created_at < $3", deliveryID, before.UnixMicro()))
}
