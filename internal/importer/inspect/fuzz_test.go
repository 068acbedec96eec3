package inspect

import (
	"testing"

	"lotse/internal/importer"
)

// Whatever is in a file, it ends up in the inspection once, the same way however
// it is read, and the package goes on.
func FuzzRun(f *testing.F) {
	f.Add("IMG/1", newCT(1).file())
	f.Add("bare", newCT(1).body())
	f.Add("DICOMDIR", dicomdir(mediaDirectory, `IMG\1`, `../x`))
	f.Add("a.pdf", []byte(pdf))
	f.Add("a.png", picture(3, 3))
	f.Add("a.jpg", photo(3, 3))
	f.Add("sums", []byte("0123456789abcdef0123456789abcdef  IMG/1\n"))
	f.Add("a.zip", []byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, path string, data []byte) {
		files := []mem{{path: path, data: data}, {path: "IMG/9", data: newCT(9).file()}}
		seekable := runPack(t, &pack{files: files})
		stream := runPack(t, &pack{files: files, stream: true})
		if a, b := fate(seekable, 0), fate(stream, 0); a != b {
			t.Errorf("%s, as a stream %s", a, b)
		}
		for _, finding := range seekable.Findings {
			if finding.Severity != importer.Info && finding.Severity != importer.Warning && finding.Severity != importer.Serious {
				t.Errorf("severity of %+v", finding)
			}
		}
	})
}
