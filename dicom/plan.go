package dicom

import "fmt"

// plan is the edits of one level, in the order of tags, and how far they are
// carried out. Elements may come out of order, or twice.
type plan struct {
	edits []Edit
	next  int       // edits[next:] are still to come
	late  []Edit    // of attributes that were not where they belong
	head  []Element // what is known to come, of the top level
	added []Tag     // appended to for want of the sequence
}

// before returns the next edits of one attribute below t, which the source lacks
// at its place; none when there are no more.
func (p *plan) before(t Tag) []Edit {
	for p.next < len(p.edits) && p.edits[p.next].Path[0].Tag < t {
		from := p.next
		tag := p.edits[from].Path[0].Tag
		for p.next < len(p.edits) && p.edits[p.next].Path[0].Tag == tag {
			p.next++
		}
		group := p.edits[from:p.next]
		if !p.waits(group) {
			return group
		}
		p.late = append(p.late, group...)
	}
	return nil
}

// waits reports whether edits of one attribute need what it holds: the attribute
// may still come, out of order.
func (p *plan) waits(edits []Edit) bool {
	inside := true
	for _, e := range edits {
		if len(e.Path) == 1 && e.Op != Append {
			return false
		}
		inside = inside && len(e.Path) > 1
	}
	if inside {
		return true
	}
	tag := edits[0].Path[0].Tag
	for _, e := range p.head {
		if e.Tag == tag {
			return true
		}
	}
	p.added = append(p.added, tag)
	return false
}

// take returns the edits of t, which has come. gone says that an edit replaced or
// removed it already: it came out of order, or for a second time.
func (p *plan) take(t Tag) (mine []Edit, gone bool, err error) {
	from := p.next
	for p.next < len(p.edits) && p.edits[p.next].Path[0].Tag == t {
		p.next++
	}
	if mine = p.edits[from:p.next]; len(mine) > 0 || p.next == 0 && len(p.late) == 0 {
		return mine, false, nil
	}
	for i := 0; i < len(p.late); {
		if p.late[i].Path[0].Tag == t {
			mine = append(mine[:len(mine):len(mine)], p.late[i])
			p.late = append(p.late[:i:i], p.late[i+1:]...)
		} else {
			i++
		}
	}
	for _, tag := range p.added {
		if tag == t {
			return nil, false, fmt.Errorf("dicom: %s comes out of order: call Head before Rewrite to append to it", t)
		}
	}
	for _, e := range p.edits[:p.next] {
		gone = gone || e.Path[0].Tag == t && len(e.Path) == 1 && e.Op != Append
	}
	return mine, gone, nil
}

func (p *plan) editsGroup(group uint16) bool {
	for _, e := range p.edits {
		if e.Path[0].Tag.Group() == group {
			return true
		}
	}
	return false
}
