package store

// PurgeImport erases what is personal of an import: its sealed columns and its
// IntakeKey, parts, segments and uploads, the lines of outcomes and the reports of
// commitments. What stays is its row, the counts, the receipts and the audit
// trail. The caller saves the row itself, with Purged. Doing it once more changes
// nothing.
func (tx *Tx) PurgeImport(id string) error {
	_, err := tx.exec("UPDATE imports SET request = NULL, secrets = NULL, question = NULL, fetched = NULL, decision = NULL, "+
		"intake_key = NULL, quiet_at = NULL WHERE tenant_id = $1 AND id = $2", id)
	if err != nil {
		return err
	}
	if err := tx.DeleteParts(id); err != nil {
		return err
	}
	if err := tx.EraseOutcomes(id); err != nil {
		return err
	}
	_, err = tx.exec("UPDATE commitments SET report = NULL WHERE tenant_id = $1 AND import_id = $2 AND report IS NOT NULL", id)
	return err
}
