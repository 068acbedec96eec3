package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"reflect"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/maps"
	"github.com/knadh/koanf/v2"
)

// FileName is the file that is read when it is there and no other one is named.
const FileName = "lotse.yaml"

// Sources say what Load reads.
type Sources struct {
	Path    string   // of the file; empty: what LOTSE_CONFIG names, else FileName in the working directory when it is there
	Environ []string // "NAME=value", as os.Environ returns it
}

// secretFiles reads the secret in the named file.
type secretFiles func(name string) (string, error)

// Load reads, layers and checks the configuration. The error is an *Error with
// everything that is wrong, or one of reading the file; both are permanent. Next to
// an *Error the configuration as far as it could be read is returned, for Explain.
func Load(from Sources) (*Config, Origins, error) {
	name, text, err := fileOf(from)
	if err != nil {
		return nil, nil, err
	}
	return parse(name, text, from.Environ, readSecret)
}

// fileOf finds and reads the file; no name when there is none.
func fileOf(from Sources) (name string, text []byte, err error) {
	name = from.Path
	for _, v := range from.Environ {
		if path, ok := strings.CutPrefix(v, "LOTSE_CONFIG="); ok && name == "" {
			name = path
		}
	}
	named := name != ""
	if !named {
		name = FileName
	}
	text, err = readBounded(name)
	if !named && errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return name, text, nil
}

// parse is Load without the file system.
func parse(name string, text []byte, environ []string, secrets secretFiles) (*Config, Origins, error) {
	layers := []*layer{defaults()}
	if name != "" {
		layers = append(layers, readFile(name, text, secrets))
	}
	layers = append(layers, readEnviron(environ, secrets))

	origins, faults, k := Origins{}, []Fault(nil), koanf.New(".")
	for _, l := range layers {
		faults = append(faults, l.faults...)
		for key, o := range l.origins {
			origins[key] = o
		}
		if err := k.Load(l, nil); err != nil {
			return nil, nil, fmt.Errorf("layering the configuration: %w", err)
		}
	}
	c := &Config{}
	err := k.UnmarshalWithConf("", c, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		Result: c, TagName: "koanf", ErrorUnused: true,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.StringToTimeDurationHookFunc(), prefixHook, mapstructure.TextUnmarshallerHookFunc()),
	}})
	if err != nil {
		return nil, nil, fmt.Errorf("decoding the configuration: %w", err)
	}
	c.derive(origins)
	if faults = append(faults, c.check(origins, faults)...); len(faults) > 0 {
		return c, origins, &Error{faults}
	}
	return c, origins, nil
}

// Read makes a layer a koanf.Provider.
func (l *layer) Read() (map[string]any, error) { return maps.Unflatten(l.values, "."), nil }

// ReadBytes is the half of koanf.Provider that a layer does not have.
func (l *layer) ReadBytes() ([]byte, error) { return nil, errors.ErrUnsupported }

// defaults is the lowest layer.
func defaults() *layer {
	l := newLayer()
	c := reflect.ValueOf(Default())
	for _, s := range settings() {
		v := c.FieldByIndex(s.index)
		if !v.IsZero() && !s.list() {
			l.values[s.key] = v.Interface()
		}
	}
	return l
}

// prefixHook decodes addresses.
func prefixHook(from, to reflect.Type, v any) (any, error) {
	if to != reflect.TypeFor[netip.Prefix]() || from.Kind() != reflect.String {
		return v, nil
	}
	return parsePrefix(reflect.ValueOf(v).String())
}

// derive fills in what follows from other keys.
func (c *Config) derive(origins Origins) {
	if c.PublicURL != "" {
		return
	}
	scheme := "http"
	if c.TLS.CertFile != "" {
		scheme = "https"
	}
	_, port, err := net.SplitHostPort(c.Listen)
	if err != nil { // check tells
		return
	}
	c.PublicURL = scheme + "://localhost:" + port
	if origins["listen"] != (Origin{}) || scheme == "https" {
		origins["public_url"] = Origin{Derived: "listen"}
	}
}

// readSecret reads a secret from a file; one line end after it does not count.
func readSecret(name string) (string, error) {
	text, err := readBounded(name)
	if err != nil {
		return "", fmt.Errorf("reading the secret: %w", err)
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if s == "" {
		return "", errors.New("the file with the secret is empty")
	}
	return s, nil
}

// readBounded reads a file of at most maxFile bytes.
func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s is larger than 1 MiB", name)
	}
	return text, err
}
