package deliver

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Address is a destination as a person writes it.
type Address struct {
	// Folder is set for dir:/path; all else is for dicom://.
	Folder string

	Called, Calling string // AE titles
	HostPort        string
	TLS             TLSMode
	Associations    int // at the same time, 1 to 16
}

// TLSMode says how a DICOM association is protected.
type TLSMode string

// TLS modes: off, with the system's certificate authorities, or encrypted without
// checking the peer's name.
const (
	TLSOff      TLSMode = "off"
	TLSVerify   TLSMode = "on"
	TLSInsecure TLSMode = "unverified"
)

// ParseAddress reads dicom://CALLED@host:port[?calling=AE&tls=on&associations=2]
// or dir:/path.
func ParseAddress(s string) (Address, error) {
	if folder, ok := strings.CutPrefix(s, "dir:"); ok {
		if folder == "" {
			return Address{}, fmt.Errorf("after dir: the path of a folder is missing")
		}
		return Address{Folder: strings.TrimPrefix(folder, "//")}, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "dicom" {
		return Address{}, fmt.Errorf("a destination is dicom://CALLED@host:port or dir:/path")
	}
	a := Address{Called: u.User.Username(), Calling: "LOTSE", TLS: TLSOff, Associations: 1}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = "104"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || host == "" {
		return Address{}, fmt.Errorf("a DICOM destination needs a host and a port, as in dicom://PACS@pacs.example:104")
	}
	a.HostPort = net.JoinHostPort(host, port)
	if u.Path != "" && u.Path != "/" {
		return Address{}, fmt.Errorf("a DICOM destination has no path; the AE title stands before the @")
	}
	return a, a.options(u.Query())
}

func (a *Address) options(q url.Values) error {
	for key, values := range q {
		v := values[len(values)-1]
		switch key {
		case "calling":
			a.Calling = v
		case "tls":
			switch TLSMode(v) {
			case TLSOff, TLSVerify, TLSInsecure:
				a.TLS = TLSMode(v)
			default:
				return fmt.Errorf("tls is on, off or unverified")
			}
		case "associations":
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 || n > 16 {
				return fmt.Errorf("associations is a number from 1 to 16")
			}
			a.Associations = n
		default:
			return fmt.Errorf("unknown option %q of a destination; known are calling, tls, associations", key)
		}
	}
	for _, ae := range []string{a.Called, a.Calling} {
		if n := len(strings.TrimSpace(ae)); n < 1 || n > 16 || strings.ContainsAny(ae, "\\\r\n") {
			return fmt.Errorf("an AE title has 1 to 16 characters, as in dicom://PACS@pacs.example:104")
		}
	}
	return nil
}
