package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// noDelay turns Nagle's algorithm off in everything that is built on DCMTK.
var noDelay = []string{"TCP_NODELAY=1"}

const (
	calledAE  = "SINK"
	callingAE = "BENCH"
)

// storescp starts DCMTK's receiver, which throws away what it gets; tuned as an
// expert does it, or as it comes. Only with fork it takes several associations at
// once.
func storescp(ctx context.Context, tuned, fork bool) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args, env := []string{"--ignore", "-aet", calledAE}, []string{}
	if tuned {
		args, env = append(args, "-pdu", "131072"), noDelay
	}
	if fork {
		args = append(args, "--fork")
	}
	return serve(ctx, env, port, "storescp", append(args, strconv.Itoa(port))...)
}

// orthanc starts an Orthanc with an empty archive in folder.
func orthanc(ctx context.Context, folder string, env []string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	web, err := freePort()
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(map[string]any{
		"Name": "bench", "StorageDirectory": filepath.Join(folder, "archive"), "IndexDirectory": filepath.Join(folder, "index"),
		"HttpPort": web, "DicomPort": port, "DicomAet": calledAE, "RemoteAccessAllowed": false,
		"AuthenticationEnabled": false, "DicomCheckCalledAet": false, "DicomAlwaysAllowStore": true,
		"UnknownSopClassAccepted": true, "OverwriteInstances": true, "SaveJobs": false, "Plugins": []string{},
	})
	if err != nil {
		return nil, err
	}
	path := filepath.Join(folder, "orthanc.json")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return nil, err
	}
	program, err := exec.LookPath("Orthanc")
	if err != nil {
		program = "/usr/sbin/Orthanc"
	}
	return serve(ctx, env, port, program, path)
}
