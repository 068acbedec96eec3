package terminal

import "context"

// Confirm asks a question for yes or no, by its key; Enter is otherwise. Where nobody
// can be asked, otherwise is the answer. Its error is an *importer.Problem: cancelled.
func (t *Terminal) Confirm(ctx context.Context, key string, otherwise bool) (bool, error) {
	if !t.interactive {
		return otherwise, nil
	}
	defer t.prompt()()
	return t.confirm(ctx, key, otherwise)
}

// Note prints a sentence of ours by its key, and foreign text in it harmless, on a line of
// its own, without disturbing a bar.
func (t *Terminal) Note(key string, args map[string]any) {
	_, _ = t.Write([]byte(Clean(t.say(key, args)) + "\n")) // there is nobody else to tell
}
