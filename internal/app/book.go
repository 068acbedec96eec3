package app

import (
	"fmt"

	"lotse/internal/importer"
	"lotse/internal/importer/deliver"
	"lotse/internal/importer/receipt"
)

// book enters every item's fate into the receipt and tells the progress.
type book struct {
	rec      *Receipt
	pkg      importer.Package
	progress func(importer.Progress)
	say      func(key string) string // nil: nothing is said
	total    int64
	done     int64
	objects  int
	entered  int
}

func (b *book) leftOut(list []importer.LeftOut) error {
	for _, l := range sortedByItem(list) {
		f := b.pkg.File(int(l.Item))
		err := b.rec.Add(receipt.Item{Item: int(l.Item), Path: f.Path, Kind: importer.KindLeftOut, Size: f.Size,
			Fate: importer.LeftAside, Reason: string(l.Reason), Sentence: b.sentence("reason.", string(l.Reason)), Detail: l.Detail})
		if err != nil {
			return err
		}
	}
	return nil
}

// unfit enters documents that cannot become DICOM objects.
func (b *book) unfit(list []importer.LeftOut) error { return b.leftOut(list) }

// notChosen are the instances of patients the decision does not concern.
func notChosen(patients []*importer.Patient) []importer.LeftOut {
	var list []importer.LeftOut
	for _, p := range patients {
		for _, study := range p.Studies {
			for _, series := range study.Series {
				for _, i := range series.Instances {
					list = append(list, importer.LeftOut{Item: i.Item, Reason: importer.ReasonNotChosen})
				}
			}
		}
	}
	return list
}

// enter takes the result of one object.
func (b *book) enter(r deliver.Result) error {
	it := lineOf(r, b.pkg.File(int(r.Object.Item)))
	it.Sentence = b.sentence("failure.", it.Reason)
	b.done += max(it.Size, 0)
	b.entered++
	b.show()
	return b.rec.Add(it)
}

// lineOf is the line of the receipt for the result of one object, made from f.
func lineOf(r deliver.Result, f importer.File) receipt.Item {
	it := receipt.Item{Item: int(r.Object.Item), Path: f.Path, Kind: importer.KindInstance, Size: f.Size, Fate: r.Fate,
		Reason: string(r.Reason), Comment: r.Comment, Sent: r.Sent, SOPClass: r.Object.SOPClass, SOPInstance: r.Object.SOPInstance,
		Study: r.Object.Study, Series: r.Object.Series, TransferSyntax: r.Syntax, Bytes: r.Bytes, Digest: r.Digest,
		PixelBefore: r.PixelBefore, PixelAfter: r.PixelAfter, Changes: r.Changes, Findings: r.Findings}
	if r.Object.Document {
		it.Kind = importer.KindDocument
	}
	if r.Status >= 0 {
		it.Status = fmt.Sprintf("%04X", r.Status)
	}
	if r.Err != nil {
		it.Detail = r.Err.Error()
	}
	return it
}

// sentence puts a reason into words.
func (b *book) sentence(kind, code string) string {
	if b.say == nil || code == "" {
		return ""
	}
	return b.say(kind + code)
}

func (b *book) show() {
	if b.progress != nil {
		b.progress(importer.Progress{Phase: importer.PhaseDeliver, Done: b.done, Total: b.total,
			Files: b.entered, FilesTotal: b.objects})
	}
}
