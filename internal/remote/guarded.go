package remote

import (
	"fmt"
	"log/slog"

	"lotse/internal/personal"
)

// Format prints nothing of the request: it has a link, answers and a patient.
func (r Request) Format(f fmt.State, _ rune) { personal.Hide(f, "request") }

// LogValue is what a log gets.
func (r Request) LogValue() slog.Value { return slog.StringValue(personal.Redacted) }

// Format prints nothing of the answers.
func (k Known) Format(f fmt.State, _ rune) { personal.Hide(f, "answers") }

// Format prints nothing of the decision.
func (d Decision) Format(f fmt.State, _ rune) { personal.Hide(f, "decision") }
