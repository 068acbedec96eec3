package dlx

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// APIInfo is what a portal says about itself (DIN/TS 19455, /api_info).
type APIInfo struct {
	Version      string // "v1" or "v2"
	Vendor       string
	BasePath     string // apiBasePath, as sent
	Capabilities Capabilities
}

// Capabilities are what version 2 adds to apiInfo; all false in version 1.
type Capabilities struct {
	Download, Tokens, Import, Derivation bool
	WADO, QIDO                           Service
}

// Service is a DICOMweb service that accepts the session's JWT (version 2).
type Service struct {
	Available bool
	URL       string
}

// Item is one thing to download (DIN/TS 19455, /list, dataItem). It names a
// person; so printing it shows nothing.
type Item struct {
	// ID is empty where a portal sent none: such an item comes with FetchAll only.
	ID          string
	MIMEType    string // as declared; do not rely on it, see Sniff
	Description string
	StudyUID    string
	Date        Date // study date
	Modalities  []string
	PatientName string // as sent; the specification writes "Family,Given", with a comma
	BirthDate   Date
	Sex         string
	FileCount   int64 // -1 when not said
	// Version 2 adds these.
	PatientID, AccessionNumber string
}

// Format prints no content, for any verb.
func (i Item) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "dlx.Item"+redacted) }

type wireService struct {
	Available flag `json:"available"`
	URL       text `json:"url"`
}

type wireCapabilities struct {
	Download   flag `json:"download"`
	Tokens     flag `json:"tokens"`
	Import     flag `json:"import"`
	Derivation flag `json:"derivation"`
	DICOMweb   struct {
		WADO wireService `json:"wadoRs"`
		QIDO wireService `json:"qidoRs"`
	} `json:"dicomweb"`
}

// UnmarshalJSON takes what does not have this shape as no capabilities:
// version 2 is a draft that moves, and version 1 does not need them.
func (w *wireCapabilities) UnmarshalJSON(b []byte) error {
	type plain wireCapabilities
	var p plain
	if json.Unmarshal(b, &p) == nil {
		*w = wireCapabilities(p)
	}
	return nil
}

type wireInfo struct {
	Version      text             `json:"dlxVersion"`
	Vendor       text             `json:"vendorInformation"`
	BasePath     text             `json:"apiBasePath"`
	Capabilities wireCapabilities `json:"capabilities"`
}

func (w wireInfo) info() APIInfo {
	c := w.Capabilities
	return APIInfo{
		Version: string(w.Version), Vendor: string(w.Vendor), BasePath: strings.TrimSpace(string(w.BasePath)),
		Capabilities: Capabilities{
			Download: bool(c.Download), Tokens: bool(c.Tokens), Import: bool(c.Import), Derivation: bool(c.Derivation),
			WADO: Service{bool(c.DICOMweb.WADO.Available), string(c.DICOMweb.WADO.URL)},
			QIDO: Service{bool(c.DICOMweb.QIDO.Available), string(c.DICOMweb.QIDO.URL)},
		},
	}
}

// decodeQuestions reads tfaQuestions. ok is false when body is no such
// object: then whoever answered does not speak DLX.
func decodeQuestions(body []byte) (infos []APIInfo, questions []Question, ok bool) {
	var wire struct {
		Info      *many[wireInfo]     `json:"apiInfo"`
		Questions *many[wireQuestion] `json:"tfaQuestion"`
	}
	if json.Unmarshal(tidyJSON(body), &wire) != nil || wire.Info == nil && wire.Questions == nil {
		return nil, nil, false
	}
	if wire.Info != nil {
		for _, w := range *wire.Info {
			infos = append(infos, w.info())
		}
	}
	if wire.Questions != nil {
		for i, w := range *wire.Questions {
			questions = append(questions, w.question(i))
		}
	}
	return infos, questions, true
}

// decodeInfo reads the answer of /api_info: one apiInfo, an array of them, or
// either inside an object.
func decodeInfo(body []byte) ([]APIInfo, bool) {
	body = tidyJSON(body)
	if infos, _, ok := decodeQuestions(body); ok {
		return infos, true
	}
	var list many[wireInfo]
	if json.Unmarshal(body, &list) != nil {
		return nil, false
	}
	var infos []APIInfo
	for _, w := range list {
		if w.Version != "" || w.BasePath != "" {
			infos = append(infos, w.info())
		}
	}
	return infos, len(infos) > 0
}

type wireItem struct {
	ID          text       `json:"id"`
	MIMEType    text       `json:"mimeType"`
	Description text       `json:"description"`
	StudyUID    text       `json:"studyInstanceUID"`
	Date        day        `json:"date"`
	Modalities  modalities `json:"modalities"`
	PatientName text       `json:"patientsName"`
	BirthDate   day        `json:"patientsBirthdate"`
	Sex         text       `json:"patientsSex"`
	FileCount   count      `json:"fileCount"`
	PatientID   text       `json:"patientId"`
	Accession   text       `json:"accessionNumber"`
}

func (w wireItem) item() Item {
	i := Item{
		ID: string(w.ID), MIMEType: string(w.MIMEType), Description: string(w.Description), StudyUID: string(w.StudyUID),
		Date: Date(w.Date), Modalities: w.Modalities, PatientName: string(w.PatientName), BirthDate: Date(w.BirthDate),
		Sex: string(w.Sex), FileCount: -1, PatientID: string(w.PatientID), AccessionNumber: string(w.Accession),
	}
	if w.FileCount.known && w.FileCount.n >= 0 {
		i.FileCount = w.FileCount.n
	}
	return i
}

// decodeItems reads dataItems, also as a bare array.
func decodeItems(body []byte) ([]Item, bool) {
	body = tidyJSON(body)
	var list many[wireItem]
	if len(body) > 0 && body[0] == '[' {
		if json.Unmarshal(body, &list) != nil {
			return nil, false
		}
	} else {
		var wire struct {
			Items *many[wireItem] `json:"dataItem"`
		}
		if json.Unmarshal(body, &wire) != nil {
			return nil, false
		}
		if wire.Items != nil {
			list = *wire.Items
		} else if string(body) == "null" || !emptyOrNull(body) {
			return nil, false
		}
	}
	items := make([]Item, len(list))
	for i, w := range list {
		items[i] = w.item()
	}
	return items, true
}

// emptyOrNull reports whether an answer without dataItem may mean an empty
// list: the object is empty, or says "dataItem": null.
func emptyOrNull(body []byte) bool {
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		return false
	}
	for name := range object {
		if strings.EqualFold(name, "dataItem") {
			return true
		}
	}
	return len(object) == 0
}

// decodeJWT takes the JWT out of an answer: a bare string (DIN/TS 19455), the
// same in quotes, or a property of an object. It is opaque; it only has to be
// fit for a header.
func decodeJWT(body []byte) (Secret, bool) {
	body = tidyJSON(body)
	value := string(body)
	if len(body) > 0 && (body[0] == '"' || body[0] == '{') {
		var t text
		var object struct {
			Token       text `json:"token"`
			JWT         text `json:"jwt"`
			Access      text `json:"access_token"`
			AccessCamel text `json:"accessToken"`
		}
		if body[0] == '"' && json.Unmarshal(body, &t) != nil || body[0] == '{' && json.Unmarshal(body, &object) != nil {
			return Secret{}, false
		}
		value = string(t + object.Token)
		for _, other := range []text{object.JWT, object.Access, object.AccessCamel} {
			if value == "" {
				value = string(other)
			}
		}
	}
	value = strings.TrimSpace(value)
	if len(value) > 7 && strings.EqualFold(value[:7], "bearer ") {
		value = strings.TrimSpace(value[7:])
	}
	if value == "" || len(value) > 16<<10 || strings.Trim(value, tokenChars) != "" {
		return Secret{}, false
	}
	return NewSecret(value), true
}

// tokenChars are the characters of a bearer token, RFC 6750 §2.1.
const tokenChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/="
