package peer

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// OrthancPeer is a running Orthanc with its DICOMweb plugin, without authentication.
type OrthancPeer struct {
	*Process
	HTTPPort, DICOMPort int
	AET                 string
	client              *http.Client
}

const dicomWebPlugin = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"

// Orthanc starts Orthanc with an empty database; overrides replace or add settings
// of its configuration by their names.
func Orthanc(t testing.TB, overrides map[string]any) *OrthancPeer {
	t.Helper()
	dir := t.TempDir()
	o := &OrthancPeer{
		HTTPPort: FreePort(t), DICOMPort: FreePort(t), AET: "ORTHANC",
		client: &http.Client{Timeout: time.Minute},
	}
	config := map[string]any{
		"Name": "test", "StorageDirectory": filepath.Join(dir, "storage"), "IndexDirectory": filepath.Join(dir, "index"),
		"HttpPort": o.HTTPPort, "DicomPort": o.DICOMPort, "DicomAet": o.AET,
		"RemoteAccessAllowed": false, "AuthenticationEnabled": false, "DicomCheckCalledAet": false,
		"DicomAlwaysAllowStore": true, "UnknownSopClassAccepted": true, "OverwriteInstances": true, "SaveJobs": false,
	}
	if _, err := os.Stat(dicomWebPlugin); err == nil {
		config["Plugins"] = []string{dicomWebPlugin}
		config["DicomWeb"] = map[string]any{"Enable": true, "Root": "/dicom-web/"}
	}
	maps.Copy(config, overrides)
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "orthanc.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	o.Process = start(t, dir, "Orthanc", o.HTTPPort, file)
	if err := o.listening(o.DICOMPort); err != nil {
		t.Fatalf("Orthanc does not listen for DICOM: %v", err)
	}
	return o
}

// DICOMAddr is host and port for DICOM associations.
func (o *OrthancPeer) DICOMAddr() string { return "127.0.0.1:" + strconv.Itoa(o.DICOMPort) }

// URL is the root of the HTTP interface, without a slash at the end; DICOMweb is
// at /dicom-web below it.
func (o *OrthancPeer) URL() string { return "http://127.0.0.1:" + strconv.Itoa(o.HTTPPort) }

// Get fetches a path of the HTTP interface.
func (o *OrthancPeer) Get(t testing.TB, path string) []byte {
	t.Helper()
	resp, err := o.client.Get(o.URL() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v", path, resp.Status, err)
	}
	return body
}

// Instances gives Orthanc's ids of all instances.
func (o *OrthancPeer) Instances(t testing.TB) []string {
	t.Helper()
	var ids []string
	if err := json.Unmarshal(o.Get(t, "/instances"), &ids); err != nil {
		t.Fatal(err)
	}
	return ids
}

// File gives an instance as a DICOM file, as Orthanc stores it.
func (o *OrthancPeer) File(t testing.TB, id string) []byte {
	t.Helper()
	return o.Get(t, "/instances/"+id+"/file")
}

// Tags gives the elements of an instance by their names.
func (o *OrthancPeer) Tags(t testing.TB, id string) map[string]any {
	t.Helper()
	var tags map[string]any
	if err := json.Unmarshal(o.Get(t, fmt.Sprintf("/instances/%s/simplified-tags", id)), &tags); err != nil {
		t.Fatal(err)
	}
	return tags
}
