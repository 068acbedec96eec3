package deliver

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"lotse/dicom"
	"lotse/dicom/dict"
	"lotse/dimse"
	"lotse/dimse/commitment"
)

// Check is one thing that a destination was tried with.
type Check struct {
	// Name is tcp, association, echo, commitment, folder, or a SOP class UID.
	Name   string `json:"name"`
	Label  string `json:"label,omitempty"` // the SOP class in words
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"` // for technicians
}

// checkTime bounds the whole trial of a destination.
const checkTime = 20 * time.Second

// Test tries a destination without sending anything to keep: can it be reached,
// does it accept an association, does it answer, and which storage classes does it
// take. It stops at the first thing that makes the rest impossible.
func Test(ctx context.Context, a Address, opts Options) []Check {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	if a.Folder != "" {
		if opts.Below != "" {
			return []Check{outcome("folder", bare(tryBelow(opts.Below, a.Folder)))}
		}
		return []Check{checkFolder(a.Folder)}
	}
	n := NewNode(a, opts)
	checks := []Check{n.checkTCP(ctx)}
	if !checks[0].OK {
		return checks
	}
	return append(checks, n.checkServices(ctx)...)
}

func outcome(name string, err error) Check {
	c := Check{Name: name, OK: err == nil}
	if err != nil {
		c.Detail = err.Error()
	}
	return c
}

// checkFolder tries to write into a folder, or where it would be made, and leaves
// nothing behind.
func checkFolder(path string) Check {
	for dir := filepath.Clean(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
			continue
		}
		if err == nil && !info.IsDir() {
			err = errors.New("not a folder")
		}
		if err != nil {
			return outcome("folder", bare(err))
		}
		f, err := os.CreateTemp(dir, ".lotse-*")
		if err != nil {
			return outcome("folder", bare(err))
		}
		return outcome("folder", errors.Join(f.Close(), os.Remove(f.Name())))
	}
}

// tryBelow is checkFolder for a folder that must not be outside of another.
func tryBelow(below, path string) error {
	inside, err := filepath.Rel(below, path)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(below)
	if err != nil {
		return err
	}
	defer root.Close()
	for {
		info, err := root.Stat(inside)
		switch {
		case errors.Is(err, fs.ErrNotExist) && inside != ".":
			inside = filepath.Dir(inside)
			continue
		case err != nil:
			return err
		case !info.IsDir():
			return errors.New("not a folder")
		}
		f, name, err := temporary(root, inside)
		if err != nil {
			return err
		}
		return errors.Join(f.Close(), root.Remove(name))
	}
}

// bare takes the path out of an error of the file system.
func bare(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

func (n *Node) checkTCP(ctx context.Context) Check {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", n.addr.HostPort)
	if err == nil {
		err = conn.Close()
	}
	return outcome("tcp", err)
}

// usualClasses are what outside exams are mostly made of.
func usualClasses() []string {
	return []string{
		"1.2.840.10008.5.1.4.1.1.1",      // Computed Radiography
		"1.2.840.10008.5.1.4.1.1.1.1",    // Digital X-Ray
		"1.2.840.10008.5.1.4.1.1.1.2",    // Digital Mammography
		"1.2.840.10008.5.1.4.1.1.13.1.3", // Breast Tomosynthesis
		"1.2.840.10008.5.1.4.1.1.2",      // CT
		"1.2.840.10008.5.1.4.1.1.2.1",    // Enhanced CT
		"1.2.840.10008.5.1.4.1.1.4",      // MR
		"1.2.840.10008.5.1.4.1.1.4.1",    // Enhanced MR
		"1.2.840.10008.5.1.4.1.1.6.1",    // Ultrasound
		"1.2.840.10008.5.1.4.1.1.3.1",    // Ultrasound Multi-frame
		"1.2.840.10008.5.1.4.1.1.7",      // Secondary Capture
		"1.2.840.10008.5.1.4.1.1.12.1",   // X-Ray Angiographic
		"1.2.840.10008.5.1.4.1.1.20",     // Nuclear Medicine
		"1.2.840.10008.5.1.4.1.1.128",    // PET
		"1.2.840.10008.5.1.4.1.1.77.1.4", // VL Photographic
		"1.2.840.10008.5.1.4.1.1.11.1",   // Grayscale Softcopy Presentation State
		"1.2.840.10008.5.1.4.1.1.88.11",  // Basic Text SR
		"1.2.840.10008.5.1.4.1.1.88.33",  // Comprehensive SR
		"1.2.840.10008.5.1.4.1.1.104.1",  // Encapsulated PDF
	}
}

// checkServices opens one association that proposes everything.
func (n *Node) checkServices(ctx context.Context) []Check {
	contexts := []dimse.PresentationContext{dimse.VerificationContext(1), commitment.Context(3)}
	for _, class := range usualClasses() {
		contexts = append(contexts, dimse.PresentationContext{ID: byte(2*len(contexts) + 1), SOPClass: class,
			TransferSyntaxes: []string{dicom.ExplicitVRLittleEndian, dicom.ImplicitVRLittleEndian}})
	}
	a, err := dimse.Dial(ctx, n.addr.HostPort, n.cfg, contexts)
	checks := []Check{outcome("association", err)}
	if err != nil {
		return checks
	}
	_, err = a.Find(commitment.SOPClass, "")
	offered := outcome("commitment", err)
	for _, class := range usualClasses() {
		_, err := a.Find(class, "")
		c := outcome(class, err)
		if known, ok := dict.SOPClassByUID(class); ok {
			c.Label = known.Name
		}
		checks = append(checks, c)
	}
	_, err = a.Echo(ctx)
	if err != nil {
		a.Abort()
	} else {
		_ = a.Release(ctx) // it has answered
	}
	return append(checks[:1:1], append([]Check{outcome("echo", err), offered}, checks[1:]...)...)
}
