package importer

import (
	"fmt"
	"log/slog"

	"lotse/internal/personal"
)

// Format prints nothing of the decision: it is about a person.
func (d Decision) Format(f fmt.State, _ rune) { personal.Hide(f, "decision") }

// LogValue is what a log gets.
func (d Decision) LogValue() slog.Value { return slog.StringValue(personal.Redacted) }

// Format prints nothing of the patient.
func (p LocalPatient) Format(f fmt.State, _ rune) { personal.Hide(f, "patient") }

// LogValue is what a log gets.
func (p LocalPatient) LogValue() slog.Value { return slog.StringValue(personal.Redacted) }

// Format prints the tag and none of the values.
func (a Assignment) Format(f fmt.State, _ rune) { personal.Hide(f, a.Tag.String()) }
