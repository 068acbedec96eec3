package problem

import "net/http"

// UploadChecksumDiffers has a status of its own (tus 1.0.0, checksum).
const UploadChecksumDiffers Code = "upload-checksum-differs"

// statusChecksumDiffers is the status of the checksum extension of tus.
const statusChecksumDiffers = 460

// uploads are the codes of resumable uploads. They are those of package tus.
func uploads() []Entry {
	again := "Ask for the offset with HEAD and go on from there."
	return []Entry{
		{"upload-length-invalid", http.StatusBadRequest, "The length of the upload is not said", "Send Upload-Length, a number of bytes."},
		{"upload-length-deferred", http.StatusBadRequest, "An upload of unknown length cannot be taken", "Send Upload-Length with the creation."},
		{"upload-offset-invalid", http.StatusBadRequest, "The offset is not said", "Send Upload-Offset, a number of bytes."},
		{"upload-metadata-invalid", http.StatusBadRequest, "The metadata of the upload cannot be used", "Send Upload-Metadata with import and path, each value in Base64."},
		{"upload-checksum-invalid", http.StatusBadRequest, "The checksum cannot be read", "Send Upload-Checksum as the name of an algorithm and the checksum in Base64."},
		{"upload-checksum-unknown", http.StatusBadRequest, "The checksum's algorithm is not known", "Use one of those in Tus-Checksum-Algorithm."},
		{"upload-interrupted", http.StatusBadRequest, "The connection broke", again},
		{"upload-not-found", http.StatusNotFound, "There is no such upload", "Create one for an import that waits for its files."},
		{"upload-method", http.StatusMethodNotAllowed, "This cannot be done with an upload", "Use one of the methods in the header Allow."},
		{"upload-stalled", http.StatusRequestTimeout, "No byte came for too long", again},
		{"upload-offset-differs", http.StatusConflict, "The upload is at another offset", again},
		{"upload-gone", http.StatusGone, "The upload has ended", "Its import does not take files any more; create another import."},
		{"tus-version", http.StatusPreconditionFailed, "The version of tus is another one", "Send Tus-Resumable: 1.0.0."},
		{"upload-too-large", http.StatusRequestEntityTooLarge, "The upload is too large", "Send no more than announced, and no more than Tus-Max-Size."},
		{"upload-content-type", http.StatusUnsupportedMediaType, "The bytes have the wrong content type", "Send application/offset+octet-stream."},
		{"upload-locked", http.StatusLocked, "Another request is writing to the upload", "Wait as long as Retry-After says, then ask for the offset with HEAD."},
		{UploadChecksumDiffers, statusChecksumDiffers, "The bytes are not those of the checksum", "Nothing of the request was kept: send it again from the same offset."},
		{"upload-too-long", http.StatusServiceUnavailable, "The request took too long", "Ask for the offset with HEAD and go on from there, with a checksum in smaller requests."},
		{"upload-unavailable", http.StatusServiceUnavailable, "The upload cannot go on at the moment", "Try again after a while; what was confirmed stays."},
	}
}
