// Package phrase has the sentences Lotse says to people, in German and English,
// and writes dates, numbers and amounts of data as the language does. Everything a
// person reads comes from here, by a key, never from the text of an error; texts
// for logs and the names in protocols do not belong here.
//
// The sentences are in en.json and de.json, in plain words: a person who has never
// heard of DICOM must know after reading what happened and what to do. Both files
// have the same keys; placeholders such as {{.Count}} are the arguments of Say.
package phrase

import (
	"embed"
	"fmt"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"github.com/nicksnyder/go-i18n/v2/i18n/template"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

//go:embed en.json de.json
var catalogue embed.FS

// Phrases speaks one language. It is safe for concurrent use.
type Phrases struct {
	tag       language.Tag
	localizer *i18n.Localizer
	parser    template.Parser
	printer   *message.Printer
}

// For returns the phrases of the language that fits lang best: a BCP 47 tag, a
// locale such as de_AT, or the value of an Accept-Language header. What fits
// nothing is English.
func For(lang string) *Phrases {
	supported := []language.Tag{language.English, language.German}
	wanted, _, err := language.ParseAcceptLanguage(strings.ReplaceAll(lang, "_", "-"))
	tag := language.English
	if err == nil {
		if _, i, confidence := language.NewMatcher(supported).Match(wanted...); confidence != language.No {
			tag = supported[i]
		}
	}
	// The bundle has one language only, so that a sentence that is missing shows as
	// its key and not in another language. The file is part of the program: it is
	// the tests that see to it that it can be read.
	bundle := i18n.NewBundle(tag)
	_, _ = bundle.LoadMessageFileFS(catalogue, tag.String()+".json")
	return &Phrases{
		tag:       tag,
		localizer: i18n.NewLocalizer(bundle, tag.String()),
		parser:    &template.TextParser{Option: "missingkey=zero"},
		printer:   message.NewPrinter(tag),
	}
}

// FromEnvironment returns the phrases of the language of the person's session,
// from LC_ALL, LC_MESSAGES and LANG as POSIX orders them (XBD §8.2); getenv is
// os.Getenv or its like.
func FromEnvironment(getenv func(string) string) *Phrases {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if locale := getenv(name); locale != "" {
			locale, _, _ = strings.Cut(locale, "@")
			locale, _, _ = strings.Cut(locale, ".")
			return For(locale)
		}
	}
	return For("")
}

// Lang is the tag of the language spoken, "en" or "de".
func (p *Phrases) Lang() string { return p.tag.String() }

// Say returns the phrase under key with args in its placeholders; whole numbers
// are written as the language does, and "Count" chooses between singular and
// plural. An argument that is missing is empty. A key that is missing is returned
// itself.
func (p *Phrases) Say(key string, args map[string]any) string {
	config := &i18n.LocalizeConfig{MessageID: key, TemplateParser: p.parser}
	words := make(map[string]string, len(args))
	for name, value := range args {
		number, whole := integer(value)
		switch {
		case whole:
			words[name] = p.Count(number)
			if name == "Count" {
				config.PluralCount = number
			}
		case value != nil:
			words[name] = fmt.Sprint(value)
		}
	}
	config.TemplateData = words
	said, err := p.localizer.Localize(config)
	if said == "" && err != nil {
		return key
	}
	return said
}

// Has reports whether there is a phrase under key.
func (p *Phrases) Has(key string) bool {
	_, err := p.localizer.Localize(&i18n.LocalizeConfig{
		MessageID: key, TemplateParser: p.parser, TemplateData: map[string]string{},
	})
	return err == nil
}

func integer(value any) (int64, bool) {
	switch n := value.(type) {
	case int:
		return int64(n), true
	case int32:
		return int64(n), true
	case int64:
		return n, true
	}
	return 0, false
}
