package phrase

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"text/template/parse"
)

// forms are the plural forms of a message; one without them has "other" only.
type forms map[string]string

func load(t *testing.T, lang string) map[string]forms {
	t.Helper()
	b, err := os.ReadFile(lang + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		t.Fatal(err)
	}
	messages := make(map[string]forms, len(raw))
	for key, value := range raw {
		var one string
		if json.Unmarshal(value, &one) == nil {
			messages[key] = forms{"other": one}
			continue
		}
		var several forms
		if err := json.Unmarshal(value, &several); err != nil {
			t.Fatalf("%s: %s: %v", lang, key, err)
		}
		messages[key] = several
	}
	return messages
}

// constants collects the values of the string constants of a type from the source
// files of a package, relative to the module root.
func constants(t *testing.T, folder, typeName string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Go files in %s: %v", folder, err)
	}
	var values []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != typeName {
				return true
			}
			for _, v := range spec.Values {
				if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					s, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, s)
				}
			}
			return true
		})
	}
	if len(values) < 2 {
		t.Fatalf("found %d constants of %s in %s; the collector is blind", len(values), typeName, folder)
	}
	return slices.DeleteFunc(values, func(v string) bool { return v == "" })
}

func TestEveryCodeHasItsPhrases(t *testing.T) {
	const importer = "internal/importer"
	for _, c := range []struct {
		folder, typeName, prefix string
		suffixes                 []string
	}{
		{importer, "ReasonCode", "reason.", []string{""}},
		{importer, "FindingCode", "finding.", []string{""}},
		{importer, "ProblemCode", "problem.", []string{"", ".do"}},
		{importer, "Fate", "fate.", []string{""}},
		{importer, "LegalBasis", "legal-basis.", []string{""}},
		{importer, "Severity", "severity.", []string{""}},
		{importer, "ItemKind", "kind.", []string{""}},
		{importer, "OriginKind", "origin.", []string{""}},
		{importer, "Presence", "presence.", []string{""}},
		{importer, "Phase", "phase.", []string{""}},
		{importer + "/deliver", "FailureCode", "failure.", []string{"", ".do"}},
		{importer + "/adjust", "Rule", "invalid.", []string{""}},
		{"dlx", "QuestionType", "question.", []string{""}},
		{"internal/backup", "Code", "admin.refused.", []string{"", ".do"}},
		{"internal/audit", "Code", "admin.audit.found.", []string{""}},
	} {
		for _, value := range constants(t, c.folder, c.typeName) {
			for _, suffix := range c.suffixes {
				key := c.prefix + value + suffix
				for _, lang := range []string{"en", "de"} {
					if !For(lang).Has(key) {
						t.Errorf("%s: %s %q has no phrase %q", lang, c.typeName, value, key)
					}
				}
			}
		}
	}
}

// Whatever looks like a key in the product's sources is one.
func TestEveryKeyInTheSourcesExists(t *testing.T) {
	key := regexp.MustCompile(`^(reason|finding|problem|failure|fate|severity|kind|origin|presence|question|phase|duration|count|word|receipt|inspect|demo|echo|terminal|admin)(\.[A-Za-z0-9_-]+)+$`)
	fileName := regexp.MustCompile(`\.(json|html|pdf|txt|go|zip|tmp|log|conf)$`)
	phrases, seen := For("en"), 0
	for _, root := range []string{"internal", "cmd"} {
		walk := func(name string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				lit, ok := n.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					return true
				}
				s, err := strconv.Unquote(lit.Value)
				if err != nil || !key.MatchString(s) || fileName.MatchString(s) {
					return true
				}
				if seen++; !phrases.Has(s) {
					t.Errorf("%s says %q, which is not in the catalogue", name, s)
				}
				return true
			})
			return nil
		}
		if err := filepath.WalkDir(filepath.Join("..", "..", root), walk); err != nil {
			t.Error(err)
		}
	}
	if seen < 20 {
		t.Errorf("found %d keys in the sources; the collector is blind", seen)
	}
}

func TestLanguagesHaveTheSameKeys(t *testing.T) {
	en, de := load(t, "en"), load(t, "de")
	for _, key := range slices.Sorted(maps.Keys(en)) {
		other, ok := de[key]
		if !ok {
			t.Errorf("de lacks %s", key)
			continue
		}
		if got, want := slices.Sorted(maps.Keys(other)), slices.Sorted(maps.Keys(en[key])); !slices.Equal(got, want) {
			t.Errorf("%s: plural forms are %v in German and %v in English", key, got, want)
		}
	}
	for key := range de {
		if _, ok := en[key]; !ok {
			t.Errorf("en lacks %s", key)
		}
	}
}

func TestLanguagesHaveTheSamePlaceholders(t *testing.T) {
	en, de := load(t, "en"), load(t, "de")
	for key, phrase := range en {
		for form, text := range phrase {
			if got, want := placeholders(t, de[key][form]), placeholders(t, text); !slices.Equal(got, want) {
				t.Errorf("%s, %s: placeholders are %v in German and %v in English", key, form, got, want)
			}
		}
	}
}

// placeholders are the fields that a template names.
func placeholders(t *testing.T, text string) []string {
	t.Helper()
	tmpl, err := template.New("").Parse(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	fields := map[string]bool{}
	var walk func(parse.Node)
	walk = func(n parse.Node) {
		switch n := n.(type) {
		case *parse.ListNode:
			if n != nil {
				for _, c := range n.Nodes {
					walk(c)
				}
			}
		case *parse.IfNode:
			walk(n.Pipe)
			walk(n.List)
			walk(n.ElseList)
		case *parse.ActionNode:
			walk(n.Pipe)
		case *parse.PipeNode:
			for _, c := range n.Cmds {
				for _, a := range c.Args {
					walk(a)
				}
			}
		case *parse.FieldNode:
			fields[strings.Join(n.Ident, ".")] = true
		}
	}
	if tmpl.Tree != nil {
		walk(tmpl.Root)
	}
	return slices.Sorted(maps.Keys(fields))
}

var (
	sentenceEnd = regexp.MustCompile(`[.?]\s`)
	jargon      = regexp.MustCompile(`(?i)\b(DICOM|UID|C-STORE|SOP|AE[- ]?title|association|token|instance|instanz|JSON|HTTP|status code|timeout|charset|transfer syntax|exception|stack|payload)\b`)
	informal    = regexp.MustCompile(`\b([Dd]u|[Dd]ein(e|en|em|er)?|[Dd]ich|[Dd]ir)\b`)
)

func TestTone(t *testing.T) {
	for _, lang := range []string{"en", "de"} {
		for key, phrase := range load(t, lang) {
			for form, text := range phrase {
				where := lang + ": " + key + " (" + form + ")"
				if strings.Contains(text, "!") {
					t.Errorf("%s exclaims: %q", where, text)
				}
				if n := strings.Count(strings.ToLower(text), "bitte") + strings.Count(strings.ToLower(text), "please"); n > 1 {
					t.Errorf("%s begs: %q", where, text)
				}
				if text == "" || strings.TrimSpace(text) != text || strings.Contains(text, "  ") {
					t.Errorf("%s is not tidy: %q", where, text)
				}
				if found := jargon.FindString(text); found != "" {
					t.Errorf("%s has jargon (%s): %q", where, found, text)
				}
				if lang == "de" && informal.MatchString(text) {
					t.Errorf("%s is not polite: %q", where, text)
				}
			}
		}
	}
}

// What happened is one sentence and what to do is one sentence.
func TestCodesAreSaidInOneSentence(t *testing.T) {
	for _, lang := range []string{"en", "de"} {
		for key, phrase := range load(t, lang) {
			group, _, _ := strings.Cut(key, ".")
			if !slices.Contains([]string{"reason", "finding", "problem", "failure"}, group) {
				continue
			}
			for _, text := range phrase {
				if !strings.HasSuffix(text, ".") || sentenceEnd.MatchString(strings.TrimSuffix(text, ".")+" ") {
					t.Errorf("%s: %s is not one sentence: %q", lang, key, text)
				}
			}
		}
	}
}
