package dicom

// Implementation of Lotse as it stands in file meta information and associations
// (PS3.7 §D.3.3.2): a 2.25 UID made once, and the version name, ≤ 16 characters.
const (
	ImplementationClassUID    = "2.25.301742930581947120483726150948372615093"
	ImplementationVersionName = "LOTSE_0_1"
)

// fileMeta writes preamble and file meta information: as received when they say
// what the object is, else made anew from the data set.
func (c *copier) fileMeta(target Syntax) error {
	r := c.r
	if r.meta != nil && r.metaIntact && r.meta.String(TransferSyntaxUID) == target.UID && !c.identityEdited() {
		c.buf = append(c.buf, r.metaRaw...)
	} else {
		class, instance := r.meta.stringOrEmpty(MediaStorageSOPClassUID), r.meta.stringOrEmpty(MediaStorageSOPInstUID)
		for _, e := range r.head {
			one := &Dataset{elems: []Element{e}, opts: &r.opts, enc: e.enc}
			switch e.Tag {
			case SOPClassUID:
				class = one.String(e.Tag)
			case SOPInstanceUID:
				instance = one.String(e.Tag)
			}
		}
		for _, e := range c.edits {
			if e.Path.Tag() == SOPInstanceUID && len(e.Path) == 1 && e.Op == Put {
				instance = (&Dataset{elems: []Element{e.Element}}).String(e.Element.Tag)
			}
		}
		c.buf = append(c.buf, FileMeta(class, instance, target.UID)...)
	}
	if _, err := c.out.Write(c.buf); err != nil {
		return err
	}
	c.buf = c.buf[:0]
	return nil
}

func (c *copier) identityEdited() bool {
	for _, e := range c.edits {
		if len(e.Path) == 1 && (e.Path.Tag() == SOPInstanceUID || e.Path.Tag() == SOPClassUID) {
			return true
		}
	}
	return false
}

func (d *Dataset) stringOrEmpty(t Tag) string {
	if d == nil {
		return ""
	}
	return d.String(t)
}

// FileMeta returns preamble, prefix and file meta information (PS3.10 §7.1) for
// an object with the given UIDs.
func FileMeta(sopClass, sopInstance, syntax string) []byte {
	w := encoder{enc: explicitLE}
	ui := func(b []byte, t Tag, vr VR, v string) []byte {
		b, _ = w.plain(b, &Element{Tag: t, VR: vr, enc: explicitLE, made: true, value: []byte(v)})
		return b
	}
	var body []byte
	body, _ = w.plain(body, &Element{Tag: 0x00020001, VR: OB, enc: explicitLE, made: true, value: []byte{0, 1}})
	body = ui(body, MediaStorageSOPClassUID, UI, sopClass)
	body = ui(body, MediaStorageSOPInstUID, UI, sopInstance)
	body = ui(body, TransferSyntaxUID, UI, syntax)
	body = ui(body, 0x00020012, UI, ImplementationClassUID)
	body = ui(body, 0x00020013, SH, ImplementationVersionName)
	out := make([]byte, 128, 144+len(body))
	out = append(out, "DICM"...)
	length := NewNumbers(0x00020000, UL, float64(len(body)))
	out, _ = w.plain(out, &length)
	return append(out, body...)
}
