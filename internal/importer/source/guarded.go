package source

import (
	"fmt"
	"log/slog"

	"lotse/internal/personal"
)

// Format prints nothing of the request: it has a link and answers.
func (r Request) Format(f fmt.State, _ rune) { personal.Hide(f, "request") }

// LogValue is what a log gets.
func (r Request) LogValue() slog.Value { return slog.StringValue(personal.Redacted) }
