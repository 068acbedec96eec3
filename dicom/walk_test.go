package dicom

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// node is an element as a second, simple parser sees it, which shares nothing
// with the package but the dictionary and gives up on damaged data sets.
type node struct {
	tag       Tag
	vr        string
	raw       []byte // from the header to behind the delimiter
	value     []byte // without the delimiter
	offset    int    // of value
	undefined bool
	items     []nodeItem
	sequence  bool
}

type nodeItem struct {
	raw   []byte
	nodes []node
}

type nodeParser struct {
	b        []byte
	at       int
	explicit bool
	order    binary.ByteOrder
}

func parseNodes(b []byte, s Syntax) (nodes []node, err error) {
	defer func() {
		if e := recover(); e != nil {
			err = fmt.Errorf("at %v: %v", nodes, e)
		}
	}()
	p := &nodeParser{b: b, explicit: s.Explicit, order: binary.LittleEndian}
	if s.BigEndian {
		p.order = binary.BigEndian
	}
	return p.elements(len(b)), nil
}

func (p *nodeParser) u16() int { p.at += 2; return int(p.order.Uint16(p.b[p.at-2:])) }
func (p *nodeParser) u32() int { p.at += 4; return int(p.order.Uint32(p.b[p.at-4:])) }
func (p *nodeParser) tag() Tag { g := p.u16(); return NewTag(uint16(g), uint16(p.u16())) }

const nodeUndefined = 0xFFFFFFFF

func (p *nodeParser) elements(end int) (nodes []node) {
	for p.at < end {
		from := p.at
		t := p.tag()
		if t == itemDelimitation {
			p.at = from
			return nodes
		}
		nodes = append(nodes, p.element(from, t))
	}
	return nodes
}

func (p *nodeParser) element(from int, t Tag) node {
	n := node{tag: t}
	length := 0
	if p.explicit {
		n.vr = string(p.b[p.at : p.at+2])
		p.at += 2
		switch n.vr {
		case "OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV":
			p.at += 2
			length = p.u32()
		default:
			length = p.u16()
		}
	} else {
		n.vr = dictionaryVR(t).String()
		length = p.u32()
	}
	n.offset, n.undefined = p.at, length == nodeUndefined
	inner := *p
	switch {
	case n.vr == "SQ" || n.undefined && !t.IsPixelData():
		n.sequence = true
		if n.vr == "UN" {
			inner.explicit, inner.order = false, binary.LittleEndian
		}
		n.items = inner.items(length)
	case n.undefined:
		inner.fragments()
	default:
		inner.at += length
	}
	p.at = inner.at
	n.raw, n.value = p.b[from:p.at], p.b[n.offset:p.at]
	if n.undefined {
		n.value = n.value[:len(n.value)-8]
	}
	return n
}

func (p *nodeParser) items(length int) (items []nodeItem) {
	end := p.at + length
	for length == nodeUndefined || p.at < end {
		from := p.at
		t, size := p.tag(), p.u32()
		if t == sequenceDelimitation {
			return items
		}
		if t != itemTag {
			panic("no item")
		}
		stop := len(p.b)
		if size != nodeUndefined {
			stop = p.at + size
		}
		nodes := p.elements(stop)
		if size == nodeUndefined {
			p.tag()
			p.u32()
		}
		items = append(items, nodeItem{raw: p.b[from:p.at], nodes: nodes})
	}
	return items
}

func (p *nodeParser) fragments() {
	for {
		t, size := p.tag(), p.u32()
		if t == sequenceDelimitation {
			return
		}
		p.at += size
	}
}

// bare returns the data set of a sample, its syntax, and what is before it; false
// for damaged ones.
func bare(t *testing.T, data []byte) (set []byte, s Syntax, before []byte, ok bool) {
	t.Helper()
	r, err := newReader(data, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s = r.Syntax()
	if s.Deflated {
		before = nil
		set = inflated(t, r)
	} else {
		set, before = data[r.dataStart:], data[:r.dataStart]
	}
	if _, err := r.Scan(nil); err != nil && !s.Deflated {
		t.Fatal(err)
	}
	return set, s, before, len(r.Problems()) == 0
}
