package demo

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"

	"lotse/dicom"
	"lotse/dicom/uid"
	"lotse/dimse"
)

// PACS is a running demonstration archive: echo and store, one file per object.
type PACS struct {
	AETitle string
	Addr    string // host:port
	Folder  string
	stored  atomic.Int64
	cancel  context.CancelFunc
	done    chan error
}

// StartPACS keeps what it receives in folder, which must exist; on a free port.
func StartPACS(folder string) (*PACS, error) { return StartPACSOn("127.0.0.1:0", folder) }

// StartPACSOn is StartPACS on an address.
func StartPACSOn(address, folder string) (*PACS, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &PACS{AETitle: "DEMOPACS", Addr: ln.Addr().String(), Folder: folder, cancel: cancel, done: make(chan error, 1)}
	server := &dimse.Server{AETitle: p.AETitle, Store: p.store}
	go func() { p.done <- server.Serve(ctx, ln) }()
	return p, nil
}

// Stored returns how many objects were stored so far.
func (p *PACS) Stored() int { return int(p.stored.Load()) }

// Close ends the archive; its folder stays.
func (p *PACS) Close() error {
	p.cancel()
	return <-p.done
}

// store writes one object; success is said only after it is on the disk.
func (p *PACS) store(_ context.Context, in dimse.StoreIndication) dimse.Status {
	if uid.Valid(in.SOPInstance) != nil {
		return dimse.InvalidSOPInstance
	}
	if err := p.write(in); err != nil {
		return dimse.OutOfResources
	}
	p.stored.Add(1)
	return dimse.Success
}

func (p *PACS) write(in dimse.StoreIndication) error {
	f, err := os.CreateTemp(p.Folder, ".part-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	w := bufio.NewWriterSize(f, 256<<10)
	if _, err = w.Write(dicom.FileMeta(in.SOPClass, in.SOPInstance, in.TransferSyntax)); err == nil {
		_, err = io.Copy(w, in.Data)
	}
	if err := errors.Join(err, w.Flush(), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(p.Folder, in.SOPInstance+".dcm"))
}
